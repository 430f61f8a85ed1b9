"""The sentences in which a question is answered without any model: what was understood, what is stored, what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postroom.core.diagnosis.intent import Question
from postroom.core.diagnosis.symptoms import Walked
from postroom.core.terms.reasons import Reason, catalogue

catalogue(
    {
        "answer.nothing_understood": "The question names nothing that can be looked for here: no symptom, no address, no domain, no Message-ID, no error.",
        "answer.error": "The error means: {cause}",
        "answer.error_cure": "What helps against it: {cure}",
        "answer.nothing_stored": "Nothing about {about} is stored here that you may see: no mail went there, or what did was cleaned up.",
        "answer.mails": "The newest mails to {about}: {states}.",
        "answer.mail": "The mail {about} to {to}: {state}.",
        "answer.waits": "It waits: {what}",
        "answer.said": "The last word of a server about it: {reply}",
        "answer.bounced": "{address} failed {times} times, the last time with: {reply}",
        "answer.left_out": "Campaigns leave {address} out since {since}.",
        "answer.found": "The cause that explains this: {cause}",
        "answer.cure": "What to do: {cure}",
        "answer.clear": "{count} causes of this were looked at, and none was found.",
        "answer.unchecked": "{count} could not be looked at.",
        "answer.wrong": "What is wrong: {cause}",
        "answer.more_wrong": "{count} more problems were found: postroom doctor",
        "answer.well": "The doctor looked at everything, and found nothing wrong.",
        "answer.not_yours": "The causes in the house were not looked at: that needs an administrator of the house.",
        "answer.to_go_on": "To go on:",
        "answer.by_model": "Said by a language model, which looked at: {tools}. Check before you act.",
        "answer.by_model_alone": "Said by a language model, which looked at nothing. Check before you act.",
        "answer.model_failed": "The language model could not be asked ({why}), so this is the doctor's own answer.",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence, and what it rests on, verbatim."""

    what: Reason
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """``language``: in which it is told; facts of sentences that are sentences themselves are in it already. ``said`` by the doctor; ``words`` by a model, which used ``tools``; ``commands`` to go on with; ``note``: why no model answered."""

    question: Question
    language: str = "en"
    said: tuple[Said, ...] = ()
    walked: Walked | None = None
    commands: tuple[str, ...] = ()
    words: str = ""
    tools: tuple[str, ...] = ()
    note: Reason | None = None

    @property
    def is_by_model(self) -> bool:
        return bool(self.words)

    def as_json(self, tell: Callable[[Reason], str] = str) -> dict[str, object]:
        asked = self.question
        return {
            "question": asked.text,
            "language": self.language,
            "understood": {
                "symptom": asked.symptom.value if asked.symptom else None,
                "addresses": list(asked.addresses),
                "domains": list(asked.domains),
                "message_ids": list(asked.message_ids),
                "error": asked.error or None,
            },
            "answered_by": "model" if self.is_by_model else "doctor",
            "answer": self.words or " ".join(tell(one.what) for one in self.said),
            "said": [{"what": tell(one.what), "evidence": list(one.evidence)} for one in self.said],
            "walk": self.walked.as_json(tell) if self.walked else None,
            "commands": list(self.commands),
            "tools": list(self.tools),
            "note": tell(self.note) if self.note else None,
        }
