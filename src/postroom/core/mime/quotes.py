from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparatedReply:
    reply: str
    quoted: str = ""
    signature: str = ""


def separate_reply(text: str) -> SeparatedReply:
    return SeparatedReply(reply=text)
