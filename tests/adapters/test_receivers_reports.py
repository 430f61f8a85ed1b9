"""Reports in the styles of those who send them, and in the styles of those who mean harm."""

from __future__ import annotations

import io
import socket
import struct
import time
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.adapters.receivers_reports import guarding, unpacking
from postroom.adapters.receivers_reports.reading import read_report_files
from postroom.core.mime.parsing import parse
from postroom.core.reports.authentication_reports import (
    NoReport,
    ReadFile,
    ReceiversReport,
    ReportFile,
    ReportForm,
    may_be_report,
    read_failure_report,
    report_files,
)
from postroom.core.reports.report_mails import read_report_mail
from postroom.core.terms.reasons import Reason
from tests.laboratory.zip_files import many_members
from tests.receivers import (
    BEGIN,
    DOMAIN,
    NOW,
    Row,
    a_failure_mail,
    a_mail,
    a_tls_mail,
    aggregate,
    gzipped,
    tls,
    zipped,
)


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody was asked over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def read(content: bytes | str, name: str = "report") -> tuple[ReadFile, ...]:
    raw = content.encode() if isinstance(content, str) else content
    return read_report_files([ReportFile(name=name, content=raw)], now=NOW)


def report(content: bytes | str, name: str = "report") -> ReceiversReport:
    (found,) = read(content, name)
    assert isinstance(found, ReceiversReport), found
    return found


def refused(content: bytes | str) -> str:
    (found,) = read(content)
    assert isinstance(found, NoReport), found
    assert "?" not in str(found.reason), str(found.reason)
    return found.reason.code


# ---- as they are sent


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(aggregate().encode(), id="plain"),
        pytest.param(gzipped(aggregate()), id="gzip, as many send it"),
        pytest.param(zipped(("report.xml", aggregate().encode())), id="zip, as Google sends it"),
        pytest.param(gzipped(gzipped(aggregate())), id="gzip twice"),
        pytest.param(zipped(("inner.zip", zipped(("report.xml", aggregate().encode())))), id="zip in zip"),
        pytest.param(aggregate(head="").encode(), id="without a declaration"),
        pytest.param(("\ufeff" + aggregate()).encode(), id="byte order mark"),
        pytest.param(aggregate(head='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param(aggregate().encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(aggregate(head='<?xml version="1.0" encoding="windows-1252"?>').encode("cp1252"), id="Windows"),
        pytest.param(aggregate(root='<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">').encode(), id="RFC 9990"),
        pytest.param(
            aggregate(root='<feedback xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">',
                      extra="<version>1.0</version>").encode(), id="Microsoft",
        ),
        pytest.param(
            aggregate(root='<d:feedback xmlns:d="urn:x">').replace("</feedback>", "</d:feedback>").encode(), id="prefixed"
        ),
        pytest.param(aggregate(email="").encode(), id="no address of the reporter"),
        pytest.param(aggregate(email="<email/><extra_contact_info>x</extra_contact_info>").encode(), id="empty address"),
        pytest.param(aggregate().replace("4711", "4711\x01").encode(), id="control characters"),
        pytest.param(aggregate().replace("<pct>100</pct>", "").encode(), id="no pct"),
        pytest.param(aggregate(head="\n\n  ").encode(), id="blanks before it"),
        pytest.param(aggregate(head="<?xml version='1.0' encoding='nonsense'?>").encode(), id="unknown character set"),
        pytest.param((aggregate() + "\n<!-- <a> -->").encode(), id="a comment after it"),
    ],
)  # fmt: skip
def test_an_aggregate_report_is_read_however_it_is_dressed(content: bytes) -> None:
    found = report(content)
    assert (found.form, found.domain, found.organisation, found.report_id) == (
        ReportForm.AGGREGATE, DOMAIN, "receiver.example", "4711",
    )  # fmt: skip
    (source,) = found.sources
    assert (source.ip, source.count, source.dkim_aligned, source.spf_aligned) == ("192.0.2.25", 7, True, True)
    assert (int(found.begins_at.timestamp()), found.lost) == (BEGIN, 0)


def test_rows_that_fared_alike_are_added_up_and_others_are_not() -> None:
    found = report(aggregate(Row(count=2), Row(count=3), Row(ip="2001:db8::25", dkim="fail", disposition="reject")))
    assert sorted((one.ip, one.count, one.passes, one.disposition) for one in found.sources) == [
        ("192.0.2.25", 5, True, "none"),
        ("2001:db8::25", 7, True, "reject"),
    ]


@pytest.mark.parametrize(
    "row",
    [
        Row(ip=""),
        Row(ip="no address"),
        Row(count=0),
        Row(count=-3),
    ],
    ids=["no address", "nonsense for an address", "nothing counted", "less than nothing"],
)
def test_a_row_that_cannot_be_read_is_counted_as_lost(row: Row) -> None:
    found = report(aggregate(Row(), row))
    assert (len(found.sources), found.lost) == (1, 1)


def test_a_row_without_results_is_lost_and_the_others_are_read() -> None:
    broken = "<record><row><source_ip>192.0.2.9</source_ip><count>4</count></row></record>"
    found = report(aggregate(Row()).replace("</feedback>", f"{broken}</feedback>"))
    assert (len(found.sources), found.lost) == (1, 1)


def test_why_a_receiver_did_otherwise_is_kept() -> None:
    (source,) = report(aggregate(Row(dkim="fail", spf="fail", reason="mailing_list"))).sources
    assert (source.override, source.passes) == ("mailing_list", False)


def test_a_tls_report_is_read_with_its_failures() -> None:
    found = report(gzipped(tls()))
    assert (found.form, found.domain, found.organisation) == (ReportForm.TLS, DOMAIN, "Receiver Inc.")
    assert [(one.result, one.count, one.receiving_host) for one in found.tls] == [
        ("", 90, ""),
        ("certificate-expired", 3, f"mx.{DOMAIN}"),
    ]


def test_failures_of_which_nothing_is_told_are_counted_all_the_same() -> None:
    text = tls(failures=(("starttls-not-supported", 2),)).replace(
        '"total-failure-session-count": 2', '"total-failure-session-count": 9'
    )
    assert [(one.result, one.count) for one in report(text).tls] == [
        ("", 90),
        ("starttls-not-supported", 2),
        ("unknown", 7),
    ]


def test_a_failure_report_is_read_from_its_fields() -> None:
    found = read_failure_report(parse(a_failure_mail()), received_at=NOW)
    assert found is not None
    (source,) = found.sources
    assert (found.form, found.domain, source.ip, source.disposition, source.passes) == (
        ReportForm.FAILURE, DOMAIN, "198.51.100.66", "reject", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/gzip", "a.xml.gz"),
        ("application/octet-stream", "a!b!1!2.xml.gz"),
        ("application/zip", "misnamed.zip"),
        ("application/x-zip-compressed", ""),
        ("text/plain", "report.xml"),
        ("image/png", "picture.png"),
    ],
)
def test_a_mail_that_brings_a_report_is_known_whatever_it_calls_it(content_type: str, name: str) -> None:
    content = gzipped(aggregate())
    if content_type == "text/plain":
        mail = a_mail(aggregate().encode(), name=name, content_type="application/xml")
        mail.get_payload()[1].replace_header("Content-Type", f'text/plain; name="{name}"')
    else:
        mail = a_mail(content, name=name, content_type=content_type)
    parsed = parse(mail.as_bytes())
    assert may_be_report(parsed)
    (found,) = read_report_files(list(report_files(parsed)), now=NOW)
    assert isinstance(found, ReceiversReport)


def test_a_mail_that_is_nothing_but_the_archive_is_known() -> None:
    import base64

    body = base64.encodebytes(gzipped(aggregate())).decode().replace("\n", "\r\n")
    raw = (
        f"From: a@receiver.example\r\nTo: dmarc@{DOMAIN}\r\nContent-Type: application/gzip; name=a.xml.gz\r\n"
        f"Content-Transfer-Encoding: base64\r\nMIME-Version: 1.0\r\n\r\n{body}"
    )
    assert may_be_report(parse(raw.encode()))


def test_a_tls_mail_and_a_failure_mail_are_known() -> None:
    assert may_be_report(parse(a_tls_mail()))
    assert may_be_report(parse(a_failure_mail()))
    (found,) = read_report_files(list(report_files(parse(a_tls_mail()))), now=NOW)
    assert isinstance(found, ReceiversReport)


@pytest.mark.parametrize(
    "text",
    ["Hello, is the parcel on its way?", "<p>Hello</p>", '{"order": 5}', ""],
    ids=["words", "html", "json", "none"],
)
def test_an_ordinary_mail_is_not_taken_for_a_report(text: str) -> None:
    mail = a_mail(b"%PDF-1.7", name="invoice.pdf", content_type="application/pdf")
    mail.get_payload()[0].set_payload(text)
    assert not may_be_report(parse(mail.as_bytes()))


# ---- as they are forged


def hiding(begin: str, inner: str, end: str) -> str:
    """As deep as it is, with as many ends where none are."""
    return aggregate(extra=begin + inner * 5_000 + end + "<a>" * 5_000 + "</a>" * 5_000)


BOMB = "<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(aggregate(head=f"<?xml version='1.0'?><!DOCTYPE feedback [{BOMB}]>"), "receivers.doctype", id="entities"),
        pytest.param(aggregate(head="<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"), "receivers.doctype", id="a file of ours"),
        pytest.param(aggregate(head="<!DOC\x00TYPE x [<!ENTITY a 'a'>]>"), "receivers.doctype", id="hidden by a zero byte"),
        pytest.param(aggregate(head="<!DOCTYPE x []>").encode("utf-16"), "receivers.doctype", id="hidden by UTF-16"),
        pytest.param("<feedback>" + "<a>" * 5_000, "receivers.too_deep", id="deep"),
        pytest.param("<feedback>" + "<a x='/>'>" * 5_000, "receivers.too_deep", id="deep, with closed-looking values"),
        pytest.param("<feedback>" + "<\u00e9>" * 5_000, "receivers.too_deep", id="deep, in strange letters"),
        pytest.param(hiding("<!-- ", "</a>", " -->"), "receivers.too_deep", id="deep, closed in a comment"),
        pytest.param(hiding("<![CDATA[", "</a>", "]]>"), "receivers.too_deep", id="deep, closed in a plain section"),
        pytest.param(hiding("<?x ", "</a>", "?>"), "receivers.too_deep", id="deep, closed in an instruction"),
        pytest.param(hiding("", "</a>", ""), "receivers.too_deep", id="deep, closed before it is opened"),
        pytest.param(aggregate(extra="<a></b>" * 5_000), "receivers.too_deep", id="deep, closed by other names"),
        pytest.param(aggregate(extra="<!-- " * 50_000), "receivers.unreadable", id="comments without an end"),
        pytest.param(many_members(20_000), "receivers.too_many_entries", id="a zip with a long table"),
        pytest.param(many_members(20_000, is_large=True), "receivers.broken_archive", id="a zip with a table that a second record tells"),
        pytest.param('{"policies": ' + "[" * 100_000, "receivers.too_deep", id="deep JSON"),
        pytest.param('{"policies": [' + "1," * 500_000 + "1]}", "receivers.too_long", id="endless JSON"),
        pytest.param(aggregate(begin=0, end=253_402_300_799), "receivers.dates", id="eight thousand years"),
        pytest.param(aggregate(begin=BEGIN, end=BEGIN - 5), "receivers.dates", id="ends before it begins"),
        pytest.param(aggregate(begin=BEGIN + 90 * 86_400), "receivers.dates", id="of the future"),
        pytest.param(aggregate().replace("<begin>", "<start>"), "receivers.dates", id="no beginning"),
        pytest.param(aggregate(domain=""), "receivers.no_domain", id="no domain"),
        pytest.param(aggregate().replace("policy_published", "policy"), "receivers.unreadable", id="no policy"),
        pytest.param('{"policies": 5, "report-id": "x"}', "receivers.unreadable", id="JSON of something else"),
        pytest.param('{"policies": [', "receivers.unreadable", id="JSON that breaks off"),
        pytest.param("hello", "receivers.none", id="words"),
        pytest.param(b"PK\x03\x04 and no archive", "receivers.broken_archive", id="no zip"),
        pytest.param(b"\x1f\x8b and no archive", "receivers.broken_archive", id="no gzip"),
        pytest.param(gzipped(gzipped(gzipped(aggregate()))), "receivers.too_nested", id="three archives in one another"),
        pytest.param(gzipped(b" " * 20_000_000), "receivers.too_packed", id="a gzip bomb"),
        pytest.param(zipped(("a.xml", b" " * 20_000_000)), "receivers.too_packed", id="a zip bomb"),
        pytest.param(b" " * (unpacking.MOST_PACKED + 1), "receivers.too_large", id="a large file"),
        pytest.param(zipped(("a.xml", aggregate().encode()), method=zipfile.ZIP_LZMA), "receivers.broken_archive", id="LZMA"),
    ],
)  # fmt: skip
def test_what_means_harm_is_refused_in_a_sentence(content: bytes | str, code: str) -> None:
    began = time.monotonic()
    assert refused(content) == code
    print(f"{time.monotonic() - began:.2f} s")


def test_comments_and_plain_sections_of_a_report_do_no_harm() -> None:
    text = aggregate(head='<?xml version="1.0"?><!-- made by a </feedback> program --><?style x?>')
    found = report(text.replace("receiver.example</org_name>", "<![CDATA[R & D <b>]]></org_name>"))
    assert found.organisation == "R & D <b>"
    assert len(found.sources) == 1


def test_a_zip_with_a_password_is_told() -> None:
    raw = bytearray(zipped(("a.xml", aggregate().encode())))
    central = raw.index(b"PK\x01\x02")
    struct.pack_into("<H", raw, central + 8, 1)
    struct.pack_into("<H", raw, 6, 1)
    assert refused(bytes(raw)) == "receivers.locked"


def test_many_small_bombs_in_one_archive_are_counted_together() -> None:
    members = [(f"{number}.xml", b" " * 3_000_000) for number in range(12)]
    found = read(zipped(*members))
    assert [one.reason.code for one in found if isinstance(one, NoReport)][-1] == "receivers.too_packed"


def test_an_archive_with_a_table_longer_than_any_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its end says: half a megabyte of a hundred thousand empty files took the library seconds and memory."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(1_500):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    raw = bytearray(target.getvalue())
    struct.pack_into("<HH", raw, len(raw) - 14, 1, 1)  # it says that it has one
    monkeypatch.setattr(zipfile.ZipFile, "__init__", lambda *_: pytest.fail("it was opened"))
    assert refused(bytes(raw)) == "receivers.too_many_entries"


def test_an_archive_of_folders_alone_is_no_report() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo("folder/"), b"")
    (found,) = read_report_mail(read_report_files, target.getvalue(), now=NOW)
    assert isinstance(found, NoReport)
    assert found.reason.code == "receivers.none"


def test_a_tls_report_from_before_all_time_is_refused() -> None:
    raw = tls().replace("2026-11-19T00:00:00Z", "0001-01-01T00:00:00+10:00")
    assert "0001-01-01" in raw
    assert refused(raw) == "receivers.dates"


def test_of_an_archive_with_many_files_the_first_are_read() -> None:
    found = read(zipped(*((f"{n}.xml", aggregate(report_id=str(n)).encode()) for n in range(15))))
    assert sum(isinstance(one, ReceiversReport) for one in found) == unpacking.MOST_MEMBERS
    assert isinstance(found[-1], NoReport)
    assert found[-1].reason.code == "receivers.too_many"


def test_an_archive_that_breaks_off_is_read_as_far_as_it_goes_or_refused() -> None:
    whole = gzipped(aggregate(*(Row(ip=f"192.0.2.{n}") for n in range(200))))
    for cut in (len(whole) - 3, len(whole) // 2):
        for one in read(whole[:cut]):
            assert isinstance(one, NoReport) or one.lost >= 0


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_is_changed_in_a_report_nothing_raises(data: st.DataObject) -> None:
    text = bytearray(data.draw(st.sampled_from([aggregate(Row(), Row(dkim="fail")), tls()])).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(
            st.sampled_from(
                [b"", b"<", b">", b"</", b"&", b'"', b"]]>", b"<![CDATA[", b"\0", b"{", b"[", b"-1", b"\xff"]
            )
        )
        text[place : place + data.draw(st.integers(0, 40))] = piece
    for packed in (bytes(text), gzipped(bytes(text)), zipped(("x.xml", bytes(text)))):
        for one in read(packed):
            assert isinstance(one, ReceiversReport | NoReport)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_at_all_raise(raw: bytes) -> None:
    for head in (b"", b"\x1f\x8b", b"PK\x03\x04", b"<feedback>", b"{"):
        read(head + raw)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "piece", ["<a ", "<a x='", "<report_metadata>", "<date_range><begin>", "<![", "<a:", '{"', "{\\", "<?xml ", "< ", "<a" + "b" * 90]
)  # fmt: skip
def test_looking_over_ends_however_often_something_begins_and_never_ends(piece: str) -> None:
    """What took time with the square of the size would take hours here, and the test its limit."""
    text = piece * (3_000_000 // len(piece))
    for found in (guarding.look_over_xml(text, "x", now=NOW), guarding.look_over_json(text, "x")):
        assert isinstance(found, Reason | guarding.LookedOver)
