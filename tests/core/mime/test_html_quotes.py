from __future__ import annotations

import pytest

from postroom.core.mime.html_quotes import separate_html_reply
from postroom.core.mime.markup import html_to_text

ATTRIBUTION = "On Tue, Jan 2, 2024 at 3:04 PM Alice &lt;alice@shop.example&gt; wrote:"


@pytest.mark.parametrize(
    "quotation",
    [
        f'<div class="gmail_quote"><div class="gmail_attr">{ATTRIBUTION}<br></div><blockquote>Which '
        "colour?</blockquote></div>",
        f'<div class="gmail_quote gmail_quote_container">{ATTRIBUTION}<div>Which <div>colour?</div></div></div>',
        f'<br><div>{ATTRIBUTION}</div><blockquote type="cite"><div>Which colour?</div></blockquote>',
        f"<div>{ATTRIBUTION}</div><blockquote><p>Which colour?</p></blockquote>",
        f"<blockquote><div>{ATTRIBUTION}</div><p>Which colour?</p></blockquote>",
        f'<div class="moz-cite-prefix">{ATTRIBUTION}<br></div><blockquote cite="mid:1@x.example">'
        "Which colour?</blockquote>",
        '<div class="yahoo_quoted" id="yahoo_quoted_1"><div>On Tuesday, Alice wrote: Which colour?</div></div>',
        '<hr><div id="divRplyFwdMsg" dir="ltr"><b>From:</b> Alice<br></div><div>Which colour?</div>',
        '<div id="appendonsend"></div><hr><div>Which colour?</div>',
        '<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p>'
        "<b>From:</b> Alice "
        "&lt;alice@shop.example&gt;<br><b>Sent:</b> Tuesday<br></p></div></div><p>Which colour?</p>",
        '<div class="protonmail_quote">Alice wrote:<blockquote>Which colour?</blockquote></div>',
    ],
)
def test_the_containers_of_mail_programs_are_cut_out(quotation: str) -> None:
    html = f"<html><body><div>Blue, please.</div>{quotation}</body></html>"
    fresh, quoted = separate_html_reply(html)
    assert html_to_text(fresh).strip("-\n ") == "Blue, please."
    assert "Which" in quoted
    assert "Which" not in fresh


def test_words_below_and_between_quotations_are_kept() -> None:
    quotations = [f'<blockquote type="cite">{words}</blockquote>' for words in ("Which colour?", "And the bell?")]
    html = f"{quotations[0]}<p>Blue.</p>{quotations[1]}<p>Loud.</p>"
    fresh, quoted = separate_html_reply(html)
    assert fresh == "<p>Blue.</p><p>Loud.</p>"
    assert html_to_text(quoted).replace("> ", "") == "Which colour?\n\nAnd the bell?"


def test_a_block_quotation_without_an_attribution_is_the_writers_own() -> None:
    html = "<p>As Goethe says:</p><blockquote>Grau, teurer Freund</blockquote>"
    assert separate_html_reply(html) == (html, "")


def test_a_mail_of_quotations_alone_is_left_whole() -> None:
    html = '<div class="gmail_quote">---------- Forwarded message ---------<br>The invoice.</div>'
    assert separate_html_reply(html) == (html, "")


def test_a_picture_alone_is_an_answer() -> None:
    fresh, quoted = separate_html_reply('<img src="cid:a"><div class="gmail_quote">Which colour?</div>')
    assert fresh == '<img src="cid:a">'
    assert "Which" in quoted


def test_a_container_that_never_closes_reaches_to_the_end() -> None:
    assert separate_html_reply('<p>Blue.</p><div class="gmail_quote"><div>Which colour?') == (
        "<p>Blue.</p>",
        '<div class="gmail_quote"><div>Which colour?',
    )


def test_html_without_quotations_is_all_new() -> None:
    assert separate_html_reply("<p>Hi</p>") == ("<p>Hi</p>", "")
    assert separate_html_reply("") == ("", "")


ON = "On Tue, Jan 2, 2024 at 3:04 PM Alice &lt;alice@shop.example&gt; wrote:"
FROM = "<b>From:</b> Alice &lt;alice@shop.example&gt;<br><b>Sent:</b> Tuesday<br><b>To:</b> Bob<br><b>Subject:</b> Bike"
OLD = "<p>Your bike is ready.</p>"


@pytest.mark.parametrize(
    "quotation",
    [
        f'<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{ON}<br></div><blockquote class="gmail_quote">{OLD}</blockquote></div>',
        f'<div id="yahoo_quoted_1" class="yahoo_quoted"><div>{ON}</div>{OLD}</div>',
        f'<div class="moz-cite-prefix">{ON}<br></div><blockquote type="cite" cite="mid:1@x">{OLD}</blockquote>',
        f'<div class="protonmail_quote">{ON}<br><blockquote class="protonmail_quote" type="cite">{OLD}</blockquote></div>',
        f'<br><div><div>{ON}</div><br><blockquote type="cite"><div>{OLD}</div></blockquote></div>',
        f'<hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">{FROM}</div>{OLD}',
        f'<div id="appendonsend"></div><hr><div>{FROM}</div>{OLD}',
        f'<div id="mail-editor-reference-message-container"><div style="border-top:1pt solid rgb(181, 196, 223)">{FROM}</div>{OLD}</div>',
        f'<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p>{FROM}</p></div>{OLD}',
        f'<div style="border-style:solid none none;border-top:1px solid rgb(225, 225, 225)"><p>{FROM}</p></div>{OLD}',
        f'<div name="messageReplySection">{ON}<br><blockquote>{OLD}</blockquote></div>',
        f'<div name="quote" style="border-left:2px solid #C3D9E5"><div>{FROM}</div>{OLD}</div>',
        f'<div id="isReplyContent"><p>At 2024-01-02 15:04:05, "Alice" wrote:</p>{OLD}</div>',
        f'<p id="reply-intro">{ON}</p><blockquote type="cite">{OLD}</blockquote>',
        f'<blockquote class="cite" cite="x">{ON}{OLD}</blockquote>',
        f'<div class="tutanota_quote">{ON}{OLD}</div>',
        f'<hr id="zwchr"><div>{FROM}</div>{OLD}',
    ],
)
@pytest.mark.parametrize("answer", ["<div>I come at noon.</div>", "<p>I come <b>at noon</b>.</p><p></p>"])
def test_the_marks_of_many_programs_begin_a_quotation(answer: str, quotation: str) -> None:
    fresh, quoted = separate_html_reply(f"<html><body>{answer}{quotation}</body></html>")
    assert html_to_text(fresh).replace("---", "").split() == ["I", "come", "at", "noon."]
    assert "Your bike is ready." in quoted


@pytest.mark.parametrize(
    "html",
    [
        "<p>He said:</p><blockquote>No.</blockquote><p>So what?</p>",
        '<div style="border-top:solid #E1E1E1 1.0pt"><p>Total 10 €</p></div>',
        '<table class="citation"><tr><td>1</td></tr></table>',
        '<div class="quotes">We quote you 10 €.</div>',
    ],
)
def test_what_only_looks_like_a_mark_stays(html: str) -> None:
    assert separate_html_reply(html) == (html, "")


def test_answers_between_quotations_in_html_are_kept() -> None:
    html = f'<div>Hello</div><blockquote type="cite">Which colour?</blockquote><div>Blue.</div><blockquote type="cite">{OLD}</blockquote><div>Bob</div>'
    fresh, quoted = separate_html_reply(html)
    assert html_to_text(fresh).split() == ["Hello", "Blue.", "Bob"]
    assert "Which colour?" in quoted
