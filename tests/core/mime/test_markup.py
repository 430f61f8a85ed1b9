from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.mime import markup
from postroom.core.mime.markup import Token, attributes, html_to_text, text_to_html, tokens


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One\n  two</p><p>three</p>", "One two\n\nthree"),
        ("a<br>b<br/>c<BR />d", "a\nb\nc\nd"),
        ("a<br><br>b", "a\n\nb"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("<h1>T</h1>x", "T\n\nx"),
        ("a <b>bold</b> <i>word</i>.", "a bold word."),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n  - b\n- c"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></table>", "1 2\n3 4"),
        (
            "<p>new</p><blockquote>old<br>older<blockquote>oldest</blockquote></blockquote>",
            "new\n\n> old\n> older\n>\n>> oldest",
        ),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("Fish &amp; chips &lt;3 &euro; &nbsp;5", "Fish & chips <3 € 5"),
        ("<style>p {}</style><script>if (a < b) {}</script>x", "x"),
        ("<head><title>t</title><meta charset=utf-8></head><body>x</body>", "x"),
        ("<head><title>t</title><p>a head that never closes", "a head that never closes"),
        ('<div style="display:none">preheader</div>x', "x"),
        ("<!-- <p>comment</p> -->x<![if mso]>y<![endif]>", "xy"),
        ('<img src="cid:a" alt="Logo"> x', "Logo x"),
        ('<img alt="a > b" src=x>c', "a > bc"),
        ("a\u200bb\ufeffc", "abc"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("x<hr>y", "x\n---\ny"),
        ("", ""),
        ("<p></p>", ""),
        ("&#99999999999;&#xffffffffffff;&#0;", "\ufffd\ufffd\ufffd"),
    ],
)
def test_html_becomes_text_with_its_blocks(html: str, text: str) -> None:
    assert html_to_text(html) == text


def test_links_become_footnotes_on_demand() -> None:
    html = (
        '<p>See <a href="https://x.example/?a=1&amp;b=2">here</a> and <a '
        'href="https://x.example/?a=1&amp;b=2">there</a>, '
        '<a href="https://y.example">https://y.example</a>, <a href="#top">top</a>, <a '
        'href="mailto:bob@x.example">Bob</a></p>'
    )
    assert html_to_text(html) == "See here and there, https://y.example, top, Bob"
    assert html_to_text(html, footnotes=True) == (
        "See here [1] and there [1], https://y.example, top, Bob [2]\n\n[1] "
        "https://x.example/?a=1&b=2\n[2] mailto:bob@x.example"
    )


def test_text_becomes_escaped_html_with_links_and_breaks() -> None:
    assert text_to_html("a < b & c\nd") == "a &lt; b &amp; c<br>\nd"
    assert text_to_html("  a  b") == " &nbsp;a &nbsp;b"
    assert text_to_html("See https://x.example/a_(b)?q=1&r=2.") == (
        'See <a href="https://x.example/a_(b)?q=1&amp;r=2">https://x.example/a_(b)?q=1&amp;r=2</a>.'
    )
    assert text_to_html("(https://x.example)") == '(<a href="https://x.example">https://x.example</a>)'
    assert text_to_html("to bob@x.example!") == 'to <a href="mailto:bob@x.example">bob@x.example</a>!'
    assert text_to_html('https://x.example/"onmouseover="alert(1)') == (
        '<a href="https://x.example/">https://x.example/</a>"onmouseover="alert(1)'
    )
    assert text_to_html("javascript:alert(1)") == "javascript:alert(1)"


def test_text_survives_the_way_through_html() -> None:
    text = 'Dear Bob,\n\n  two spaces  and <tags> & "quotes"\nhttps://x.example/\n\nAlice'
    assert html_to_text(text_to_html(text)).split() == text.split()


def test_tags_are_cut_at_their_real_ends() -> None:
    html = '<a href="x>y" title=\'a "b"\'>t</a>'
    assert list(tokens(html)) == [
        Token(0, 28, "a", False, ' href="x>y" title=\'a "b"\''),
        Token(28, 29, ""),
        Token(29, 33, "a", True, ""),
    ]
    assert attributes(next(tokens(html))) == {"href": "x>y", "title": 'a "b"'}


_AS_ONE_EXPRESSION = re.compile(
    r"https?://[^\s<>\"\x00-\x1f]{1,2000}|[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_PIECES = st.sampled_from(
    ["@", ".", "a", "b.c", "@x.example", "http://", "https://y.example/", " ", "_", "-", "ü", "x" * 70, "(", ")", "@@"]
)


@given(st.lists(_PIECES, max_size=14).map("".join))
def test_what_is_linked_is_what_one_expression_would_find(text: str) -> None:
    found = [one for _, one in markup._links(text)]
    wanted = [one[0] for one in _AS_ONE_EXPRESSION.finditer(text)]
    assert found == [markup._without_trailing_punctuation(one) if "://" in one else one for one in wanted]


@pytest.mark.parametrize(
    ("text", "most"), [("x_" * 100_000, 0), ("a@" * 1_000, 1_000), ("a@b.example " * 1_000, 1_000)]
)
def test_a_local_part_is_looked_for_only_before_an_at_sign(
    text: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = markup._local_begins
    monkeypatch.setattr(markup, "_local_begins", lambda *given: asked.append(1) or real(*given))
    text_to_html(text)
    assert len(asked) <= most
