"""Each rule by a mail of its own: one thing is spoiled, and that one rule costs its points; a mail in perfect order loses none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postroom.core.mailtest.authentication import NOBODY_ASKED
from postroom.core.mailtest.evidence import SenderChecks, SpamSymbol, SpamUnchecked, SpamVerdict
from postroom.core.mailtest.facts import Source
from postroom.core.mailtest.rules import FULL, RULES, Outcome, RuleCode
from postroom.core.senders.results import Method, MethodResult, Policy, Result
from postroom.core.terms.reasons import SENTENCES
from tests.core.mailtest.samples import AUTHOR, DKIM, DMARC, SPF, TOP, WORDS, a_mail, checks, lost, report_on, told


def test_a_mail_in_perfect_order_has_ten_points() -> None:
    report = report_on(a_mail())
    assert lost(report) == set()
    assert (report.tenths, report.score, report.arithmetic) == (100, "10", "10 = 10")
    assert told(report, Outcome.UNCHECKED) == set()


def _html(body: str) -> str:
    return f"<html><body><p>{WORDS}</p>{body}</body></html>"


LIST = {"list_id": "News <news.northwind.example>", "list_unsubscribe": "<https://northwind.example/u/1>"}
ONE_CLICK = {"list_unsubscribe_post": "List-Unsubscribe=One-Click"}
COVERED = "v=1; a=rsa-sha256; d=northwind.example; h=From:List-Unsubscribe:List-Unsubscribe-Post; bh=x; b=y"

SPOILED: dict[RuleCode, bytes] = {
    # how it travelled
    RuleCode.PATH_DELAY: a_mail(top=TOP.replace("09:00:04", "09:40:04")),
    # its header
    RuleCode.FROM_NAME_MISLEADS: a_mail(From=f'"service@bank.example" <{AUTHOR}>'),
    RuleCode.FROM_SEVERAL: a_mail(From=f"Alice <{AUTHOR}>, Mallory <mallory@evil.example>"),
    RuleCode.REPLY_TO_ELSEWHERE: a_mail(reply_to="mallory@evil.example"),
    RuleCode.TO_MISSING: a_mail(To=None),
    RuleCode.DATE_MISSING: a_mail(Date=None),
    RuleCode.DATE_OFF: a_mail(Date="Sun, 1 Mar 2026 02:00:00 +0000"),
    RuleCode.MESSAGE_ID_MISSING: a_mail(Message_ID=None),
    RuleCode.MESSAGE_ID_BAD: a_mail(Message_ID="<1@localhost>"),
    RuleCode.SUBJECT_EMPTY: a_mail(Subject=""),
    RuleCode.SUBJECT_SHOUTS: a_mail(Subject="BUY NEW PRINTERS NOW"),
    RuleCode.SUBJECT_FALSE_REPLY: a_mail(Subject="Re: the printers"),
    RuleCode.FIELD_TWICE: a_mail(top=TOP + "Subject: another one\r\n"),
    RuleCode.MIME_VERSION_MISSING: a_mail(MIME_Version=None),
    RuleCode.EIGHT_BIT_HEADER: a_mail(Subject="Grüße von den Druckern"),
    RuleCode.EIGHT_BIT_BODY: a_mail(body="Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße von den Druckern, und alles Gute!\r\n"),
    RuleCode.LINE_TOO_LONG: a_mail(body="Content-Type: text/plain\r\n\r\n" + "word " * 200 + "\r\n"),
    RuleCode.STRUCTURE_BROKEN: a_mail(body='Content-Type: multipart/mixed; boundary="x"\r\n\r\nno part at all\r\n'),
    # what it says
    RuleCode.NOTHING_TO_READ: a_mail(body="Content-Type: text/plain\r\n\r\n\r\n"),
    RuleCode.HTML_ALONE: a_mail("", _html("")),
    RuleCode.TEXT_DIFFERS: a_mail("Please switch on HTML.", _html("")),
    RuleCode.ONLY_A_PICTURE: a_mail("See the picture.", '<html><img src="https://www.northwind.example/a.png" alt="it"></html>'),
    RuleCode.HIDDEN_TEXT: a_mail(WORDS, _html(f'<div style="display:none">{WORDS * 3}</div>')),
    RuleCode.SCRIPT: a_mail(WORDS, _html("<script>alert(1)</script>")),
    RuleCode.FORM: a_mail(WORDS, _html('<form action="https://www.northwind.example/"><input name="a"></form>')),
    RuleCode.TRACKING_PIXEL: a_mail(WORDS, _html('<img src="https://www.northwind.example/p" width="1" height="1" alt="">')),
    RuleCode.PICTURE_WITHOUT_WORDS: a_mail(WORDS, _html('<img src="https://www.northwind.example/a.png">')),
    # where it leads
    RuleCode.LINK_ELSEWHERE: a_mail(WORDS, _html('<a href="https://evil.example/">www.bank.example</a>')),
    RuleCode.LINK_TO_NUMBER: a_mail(WORDS, _html('<a href="https://203.0.113.9/">printers</a>')),
    RuleCode.LINK_LOOKALIKE: a_mail(WORDS, _html('<a href="https://xn--nrthwind-u3h.example/">printers</a>')),
    RuleCode.LINK_SHORTENED: a_mail(WORDS, _html('<a href="https://bit.ly/1">printers</a>')),
    RuleCode.LINK_WITH_LOGIN: a_mail(WORDS, _html('<a href="https://www.bank.example@evil.example/">printers</a>')),
    RuleCode.LINK_CODE: a_mail(WORDS, _html('<a href="javascript:alert(1)">printers</a>')),
    RuleCode.LINK_PLAIN: a_mail(WORDS, _html('<a href="http://www.northwind.example/">printers</a>')),
    # what it carries
    RuleCode.ATTACHMENT_DANGEROUS: a_mail(files=[("printers.js", b"x")]),
    RuleCode.ATTACHMENT_MACROS: a_mail(files=[("costs.xlsm", b"x")]),
    # leaving a list
    RuleCode.UNSUBSCRIBE_MISSING: a_mail(list_id="News <news.northwind.example>"),
    RuleCode.UNSUBSCRIBE_NOT_AT_ONCE: a_mail(**LIST),
    RuleCode.UNSUBSCRIBE_NOT_HTTPS: a_mail(list_unsubscribe="<mailto:leave@northwind.example>", **ONE_CLICK),
    RuleCode.UNSUBSCRIBE_NOT_SIGNED: a_mail(**LIST, **ONE_CLICK),
    # how large it is
    RuleCode.SIZE_CLIPPED: a_mail(WORDS, _html("<!-- " + ("padding " * 90 + "\r\n") * 150 + "-->")),
    RuleCode.SIZE_TOO_LARGE: a_mail(files=[("log.txt", b"0123456789\r\n" * 2_200_000)]),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(SPOILED))
def test_one_spoiled_thing_costs_the_points_of_one_rule(code: RuleCode) -> None:
    report = report_on(SPOILED[code])
    assert lost(report) == {code}
    assert report.tenths == FULL - RULES[code].tenths
    (finding,) = [one for one in report.findings if one.code is code]
    assert str(finding.why)
    assert "?" not in str(finding.why).replace("Which", "")
    assert str(finding.cure)


def test_a_program_with_the_name_of_a_document_is_dangerous_and_disguised() -> None:
    report = report_on(a_mail(files=[("invoice.pdf.exe", b"x")]))
    assert lost(report) == {RuleCode.ATTACHMENT_DANGEROUS, RuleCode.ATTACHMENT_DISGUISED}


def test_a_program_is_known_by_its_first_bytes_whatever_its_name() -> None:
    report = report_on(a_mail(files=[("invoice.pdf", b"MZ\x90\x00 and more")]))
    assert lost(report) == {RuleCode.ATTACHMENT_DANGEROUS, RuleCode.ATTACHMENT_DISGUISED}


def test_a_mail_without_an_author_has_no_domain_to_be_proven() -> None:
    report = report_on(a_mail(From=None), checks(SPF))
    assert RuleCode.FROM_MISSING in lost(report)
    assert not any(one.code.startswith("dmarc") for one in report.findings)


def test_a_signed_list_with_one_click_is_praised() -> None:
    report = report_on(a_mail(**LIST, **ONE_CLICK, dkim_signature=COVERED))
    assert lost(report) == set()
    assert RuleCode.UNSUBSCRIBE_GOOD in told(report, Outcome.GOOD)


def test_a_mail_to_one_reader_needs_no_way_out_of_a_list() -> None:
    assert RuleCode.UNSUBSCRIBE_NOT_APPLICABLE in told(report_on(a_mail()), Outcome.NOT_APPLICABLE)


def test_a_short_preview_line_may_be_hidden() -> None:
    html = f'<html><body><div style="display:none">Printers are here</div><p>{WORDS}</p></body></html>'
    assert lost(report_on(a_mail(WORDS, html))) == set()


def test_tables_that_close_their_gaps_hide_nothing() -> None:
    cell = f'<td style="font-size:0px"><div style="font-size:13px">{WORDS * 3}</div></td>'
    assert lost(report_on(a_mail(WORDS, f"<html><table><tr>{cell}</tr></table></html>"))) == set()


def test_a_link_may_show_another_host_of_its_own_house() -> None:
    html = _html(
        '<a href="https://shop.northwind.example/a">www.northwind.example/a</a> <a href="https://evil.example/r">report.pdf</a>'
    )
    assert lost(report_on(a_mail(WORDS, html))) == set()


def test_an_honest_name_beyond_ascii_is_no_lookalike() -> None:
    html = _html('<a href="https://xn--mnchen-3ya.example/">Munich</a>')
    assert lost(report_on(a_mail(WORDS, html))) == set()


def test_an_automatic_mail_is_told_and_costs_nothing() -> None:
    report = report_on(a_mail(auto_submitted="auto-replied"))
    assert lost(report) == set()
    assert RuleCode.AUTOMATIC in told(report, Outcome.HINT)


# ---- who sent it


def _spf(result: Result) -> SenderChecks:
    """DKIM alone speaks for the author."""
    return checks(MethodResult(method=Method.SPF, result=result, domain="northwind.example"), DKIM, DMARC)


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result.FAIL, RuleCode.SPF_FAIL),
        (Result.SOFTFAIL, RuleCode.SPF_SOFTFAIL),
        (Result.NEUTRAL, RuleCode.SPF_NEUTRAL),
        (Result.NONE, RuleCode.SPF_NONE),
        (Result.PERMERROR, RuleCode.SPF_BROKEN),
    ],
)
def test_what_spf_says_costs_its_points(result: Result, code: RuleCode) -> None:
    report = report_on(a_mail(), _spf(result))
    assert lost(report) == {code}


def test_a_missing_spf_record_is_written_out() -> None:
    (finding,) = [one for one in report_on(a_mail(), _spf(Result.NONE)).findings if one.code is RuleCode.SPF_NONE]
    (record,) = finding.publish
    assert (record.type, record.name, record.value) == ("TXT", "northwind.example", "v=spf1 ip4:198.51.100.7 ~all")


def test_no_answer_in_time_is_unchecked_and_costs_nothing() -> None:
    report = report_on(a_mail(), _spf(Result.TEMPERROR))
    assert lost(report) == set()
    assert told(report, Outcome.UNCHECKED) == {RuleCode.SPF_UNCHECKED}


def test_spf_of_another_house_helps_nobody() -> None:
    other = MethodResult(method=Method.SPF, result=Result.PASS, domain="provider.example")
    failed = MethodResult(method=Method.DMARC, result=Result.FAIL, domain="northwind.example", policy=Policy.REJECT)
    report = report_on(a_mail(DKIM_Signature=None), checks(other, failed))
    assert lost(report) == {RuleCode.DKIM_NONE, RuleCode.DMARC_FAIL}
    assert RuleCode.SPF_NOT_ALIGNED in told(report, Outcome.HINT)
    assert report.arithmetic == "10 - 1.5 - 2.5 = 6"


def test_a_signature_that_does_not_fit_the_body_costs_its_points() -> None:
    bad = MethodResult(
        method=Method.DKIM, result=Result.FAIL, domain="northwind.example", detail="the body was changed"
    )
    report = report_on(a_mail(), checks(SPF, bad, DMARC))
    assert lost(report) == {RuleCode.DKIM_FAIL}
    assert "the body was changed" in str(report.findings[1].why)


def test_a_signature_of_the_provider_is_not_the_authors() -> None:
    other = replace(DKIM, domain="provider.example", aligned=False)
    assert lost(report_on(a_mail(), checks(SPF, other, DMARC))) == {RuleCode.DKIM_NOT_ALIGNED}


def test_a_domain_without_dmarc_is_told_what_to_publish() -> None:
    none = MethodResult(method=Method.DMARC, result=Result.NONE, domain="northwind.example")
    report = report_on(a_mail(), checks(SPF, DKIM, none))
    assert lost(report) == {RuleCode.DMARC_NONE}
    (record,) = next(one for one in report.findings if one.code is RuleCode.DMARC_NONE).publish
    assert record.name == "_dmarc.northwind.example"
    assert record.value.startswith("v=DMARC1; p=none")


def test_a_broken_chain_of_seals_costs_little() -> None:
    broken = MethodResult(method=Method.ARC, result=Result.FAIL, domain="list.example")
    assert lost(report_on(a_mail(), checks(SPF, DKIM, DMARC, broken))) == {RuleCode.ARC_FAIL}


def test_where_nobody_was_asked_nothing_is_held_against_the_mail() -> None:
    report = report_on(a_mail(), SenderChecks(is_asked=False), SpamUnchecked(why=NOBODY_ASKED))
    assert report.tenths == FULL
    assert told(report, Outcome.UNCHECKED) == {
        RuleCode.SPF_UNCHECKED, RuleCode.DKIM_UNCHECKED, RuleCode.DMARC_UNCHECKED, RuleCode.SPAM_UNCHECKED,
    }  # fmt: skip


def test_what_an_unknown_server_wrote_is_shown_and_counts_for_nothing() -> None:
    said = MethodResult(method=Method.DKIM, result=Result.PASS, domain="northwind.example", by="mx.other.example")
    report = report_on(a_mail(), SenderChecks(is_asked=False, hearsay=(said,)))
    (finding,) = [one for one in report.findings if one.code is RuleCode.DKIM_UNCHECKED]
    assert finding.evidence == ("mx.other.example: dkim=pass northwind.example",)


# ---- what cannot be seen


def test_a_header_alone_leaves_the_rest_unchecked() -> None:
    header = a_mail().partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    report = report_on(header, checks(SPF, is_body_known=False), source=Source.HEADERS)
    assert lost(report) == set()
    assert told(report, Outcome.UNCHECKED) >= {
        RuleCode.DKIM_UNCHECKED, RuleCode.FORM_UNCHECKED, RuleCode.CONTENT_UNCHECKED, RuleCode.SIZE_UNCHECKED,
    }  # fmt: skip


def test_a_failed_dmarc_means_nothing_where_the_signed_body_is_not_at_hand() -> None:
    failed = MethodResult(method=Method.DMARC, result=Result.FAIL, domain="northwind.example", policy=Policy.REJECT)
    softly = MethodResult(method=Method.SPF, result=Result.NEUTRAL, domain="northwind.example")
    report = report_on(a_mail(), checks(softly, failed, is_body_known=False), source=Source.OUTLOOK)
    assert RuleCode.DMARC_UNCHECKED in told(report, Outcome.UNCHECKED)


# ---- a filter


@pytest.mark.parametrize(
    ("score", "is_spam", "code"), [(2.5, False, RuleCode.SPAM_SUSPECTED), (7.5, True, RuleCode.SPAM_FOUND)]
)
def test_what_a_filter_counts_costs_points(score: float, is_spam: bool, code: RuleCode) -> None:
    symbols = (SpamSymbol(name="URI_ODD", points=0.5), SpamSymbol(name="BAYES_99", points=3.5, text="Bayes says so"))
    report = report_on(a_mail(), None, SpamVerdict(score=score, threshold=5.0, is_spam=is_spam, symbols=symbols))
    assert lost(report) == {code}
    assert report.findings[-1].evidence == ("+3.5 BAYES_99 Bayes says so", "+0.5 URI_ODD")


# ---- the table


def test_every_rule_has_its_sentence_and_what_costs_points_its_cure() -> None:
    assert set(RULES) == set(RuleCode)
    for code, rule in RULES.items():
        assert f"mailtest.{code}" in SENTENCES, code
        assert (rule.outcome is Outcome.LOST) == (rule.tenths > 0), code
        if rule.outcome in (Outcome.LOST, Outcome.UNCHECKED):
            assert f"mailtest.do.{code}" in SENTENCES, code


def test_every_rule_that_costs_points_is_tried_here() -> None:
    elsewhere = {
        RuleCode.FROM_MISSING, RuleCode.ATTACHMENT_DISGUISED, RuleCode.SPF_FAIL, RuleCode.SPF_SOFTFAIL, RuleCode.SPF_NEUTRAL,
        RuleCode.SPF_NONE, RuleCode.SPF_BROKEN, RuleCode.DKIM_NONE, RuleCode.DKIM_FAIL, RuleCode.DKIM_NOT_ALIGNED, RuleCode.DMARC_FAIL,
        RuleCode.DMARC_NONE, RuleCode.ARC_FAIL, RuleCode.SPAM_SUSPECTED, RuleCode.SPAM_FOUND,
    }  # fmt: skip
    assert {code for code, rule in RULES.items() if rule.tenths} == set(SPOILED) | elsewhere


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff" * 1_000,
        b"Received: " + b"(" * 50_000 + b"\r\n\r\n",
        b"Received: x; y\r\n" * 5_000 + b"\r\n",
        b"Content-Type: text/html\r\n\r\n" + b'<a href="http://[::1">' * 20_000,
        b"Content-Type: text/html\r\n\r\n" + b"<div style='display:none'>" * 30_000 + b"x",
        b"Content-Type: text/html\r\n\r\n<a href='https://" + b"xn--" * 20_000 + b"/'>x</a>",
        b"Subject: " + b"Re: " * 20_000 + b"\r\n\r\n",
        b"List-Unsubscribe: " + b"<" * 60_000 + b"\r\n\r\n",
        b"From: " + b'"a@b.c" ' * 8_000 + b"<x@y.example>\r\n\r\n",
    ],
    ids=range(10),
)
def test_hostile_bytes_are_judged_without_a_fault(raw: bytes) -> None:
    for source in Source:
        assert 0 <= report_on(raw, SenderChecks(), source=source).tenths <= FULL
