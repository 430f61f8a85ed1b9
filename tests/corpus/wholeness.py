"""What every mail that was read must be, whatever its bytes were."""

from __future__ import annotations

import json

from postroom.core.mime.defects import Defect
from postroom.core.mime.parsed import ParsedMail


def assert_whole(mail: ParsedMail) -> None:
    """Every field has its type, every text can be stored, and no fault of ours was covered up."""
    assert Defect.PARSER_FAULT not in mail.defects
    assert all(type(defect) is str and defect in set(Defect) for defect in mail.defects)
    texts = [
        mail.text,
        mail.html,
        mail.reply_text,
        mail.subject,
        mail.message_id,
        *mail.references,
        *mail.in_reply_to,
    ]
    texts += [text for field in mail.headers for text in field]
    texts += [attachment.name for attachment in mail.attachments] + [one.content_id for one in mail.attachments]
    texts += [text for one in (*mail.header_from, *mail.to, *mail.cc) for text in (one.name, one.local, one.domain)]
    texts += [text for parameter in mail.content_params.items() for text in parameter]
    texts += [
        text
        for one in mail.invitations
        for text in (one.summary, one.location, one.uid, one.organizer_name, one.organizer_address)
    ]
    if mail.forwarded is not None:
        texts += [
            mail.forwarded.subject,
            mail.forwarded.written_date,
            mail.forwarded.message_id,
            str(mail.forwarded.author),
        ]
    stored = json.dumps(texts, ensure_ascii=False)
    assert "\\u0000" not in stored
    assert stored.encode("utf-8")
    assert not any(char in value for _, value in mail.headers for char in "\r\n")
    assert all(
        one.name and "/" not in one.name and "\\" not in one.name for one in (*mail.attachments, *mail.signatures)
    )
    assert mail.date is None or mail.date.utcoffset() is not None
