"""What was wrong with the bytes of a mail: short, stable codes with one meaning each.

A defect never stops the reading (law: parsing never raises); it says where the reader had to guess, so that a
person who looks at an odd mail sees why it looks odd. Codes are stored: they are never renamed.
"""

from __future__ import annotations

from enum import StrEnum


class Defect(StrEnum):
    """The closed list of defects."""

    BARE_CR = "bare-cr"  # lines end in carriage returns alone
    BAD_ADDRESS = "bad-address"  # an originator or recipient field in which no address was found
    BAD_CHARSET = "bad-charset"  # a charset that nobody knows was declared; the text was guessed
    BAD_CONTENT_TYPE = "bad-content-type"  # a Content-Type that is none; corrected or taken as the default
    BAD_DATE = "bad-date"  # a Date that is none, or one outside the calendar
    BAD_HEADER = "bad-header"  # lines between the header fields that are no field
    BAD_HEADER_BYTES = "bad-header-bytes"  # 8-bit bytes in the header block that are no UTF-8
    BAD_MESSAGE_ID = "bad-message-id"  # a Message-ID without angle brackets or without an at sign
    BAD_TNEF = "bad-tnef"  # a winmail.dat that is none, is damaged or holds more than is read; it was kept as a file
    BAD_TRANSFER_ENCODING = "bad-transfer-encoding"  # an unknown transfer encoding, or content that breaks its rules
    BROKEN_BOUNDARY = "broken-boundary"  # a multipart without a boundary, or whose boundary never occurs
    EMPTY_MESSAGE = "empty-message"  # no bytes, or white space only
    HEADERS_TOO_LARGE = "headers-too-large"  # more header bytes or fields than are read; the rest was left out
    MISSING_CLOSING_BOUNDARY = "missing-closing-boundary"  # a multipart that ends without its last boundary
    MISSING_FROM = "missing-from"  # neither From nor Sender names an address
    MISSING_HEADER_SEPARATOR = "missing-header-separator"  # no empty line between header and body
    MISSING_MESSAGE_ID = "missing-message-id"  # no Message-ID
    OVERSIZE = "oversize"  # a body so long that only its beginning was read; the whole mail was kept
    PARSER_FAULT = "parser-fault"  # our own fault: the mail was kept as plain text
    TOO_DEEP = "too-deep"  # nested deeper than is read; the inner parts became attachments
    TOO_MANY_PARTS = "too-many-parts"  # more parts than are read; the rest was left out
    UNDECODABLE_TEXT = "undecodable-text"  # bytes that the declared charset does not have; guessed or replaced
    WRONG_CHARSET = "wrong-charset"  # evidently in another charset than declared, and read in that
