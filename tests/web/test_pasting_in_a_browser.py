"""Pasted HTML: nothing active survives, whatever it tries; what Word, Google and mails mean stays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from playwright.sync_api import Page

from postroom.core.terms.states import Role
from postroom.store.models import Message, Record
from tests.laboratory.availability import requires_chromium
from tests.laboratory.waiting import wait_until
from tests.web import seeding
from tests.web.browser import a_browser, a_window, open_composer, sign_in
from tests.web.served import served

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), requires_chromium]

HOSTILE = [
    "<script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "<svg onload='window.ran = 1'><script>window.ran = 1</script></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.ran=1&gt;'>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "<a href='javascript:window.ran = 1'>click</a>",
    "<a href=' java\tscript:window.ran = 1'>click</a>",
    "<form action='https://else.example/'><input name=password><button>x</button></form>",
    "<p onclick='window.ran = 1' onmouseover='window.ran = 1' style='background:url(https://else.example/a.png)'>p</p>",
    "<img src='https://else.example/pixel.gif' alt='pixel'>",
    "<img srcset='https://else.example/pixel.gif 2x'>",
    "<link rel=stylesheet href='https://else.example/a.css'><style>@import 'https://else.example/a.css'</style>",
    "<video src='https://else.example/a.mp4' autoplay></video><audio src='https://else.example/a.mp3' autoplay></audio>",
    "<object data='https://else.example/a.swf'></object><embed src='https://else.example/a.swf'>",
    "<base href='https://else.example/'><meta http-equiv=refresh content='0;url=https://else.example/'>",
    "<noscript><p title='</noscript><img src=x onerror=window.ran=1>'>",
    "<span data-mention='1 onclick=x'>@Bob</span><span data-mention='../../2'>@Bob</span>",
    "<img src='/draft/file/1/../../../logout/'><img src='/records/1/'>",
    "<div contenteditable=true id=pr-trouble hx-get='/x' hx-trigger=load data-discard-draft x-data='{}' x-init='window.ran=1'>d</div>",
    "<template><script>window.ran = 1</script></template>",
    "<details open ontoggle='window.ran = 1'><summary>s</summary></details>",
    "<img src='data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+'>",
]
MEANT = {
    "<p class=MsoNormal style='font-family:Calibri'>Dear <b>Carla</b><o:p></o:p></p>": "<p>Dear <b>Carla</b></p>",
    "<p class=MsoListParagraph style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>·<span> </span></span>one</p>"
    "<p class=MsoListParagraph style='mso-list:l0 level1 lfo1'><span style='mso-list:Ignore'>·</span>two</p>": "<ul><li>one</li><li>two</li></ul>",
    "<b style='font-weight:normal' id='docs-internal-guid-1'><p><span style='font-weight:700'>bold</span> <span style='font-style:italic'>slanted</span></p></b>": "<p><b>bold</b> <i>slanted</i></p>",
    "<div dir=ltr>first</div><div>second <s>gone</s></div>": "<p>first</p><p>second <s>gone</s></p>",
    "<h2 style='color:red'>Title</h2><blockquote class=gmail_quote><div>said</div></blockquote>": "<p><b>Title</b></p><blockquote><p>said</p></blockquote>",
    "<p>see <a href='https://x.example/' style='color:red' onclick='x()'>here</a></p>": '<p>see <a href="https://x.example/">here</a></p>',
}  # fmt: skip
PASTE = """html => {
  const editor = document.querySelector('.pr-editor');
  const carried = new DataTransfer();
  carried.setData('text/html', html);
  carried.setData('text/plain', 'plain');
  editor.innerHTML = '<p><br></p>';
  editor.focus();
  document.getSelection().collapse(editor.firstChild, 0);
  editor.dispatchEvent(new ClipboardEvent('paste', {bubbles: true, cancelable: true, clipboardData: carried}));
  return editor.innerHTML;
}"""
SAFE = """() => [...document.querySelector('.pr-editor').querySelectorAll('*')].flatMap(node =>
  [...node.attributes].map(one => `${node.nodeName} ${one.name}=${one.value}`))"""
ALLOWED = ("A href=http", "IMG alt=", "IMG src=/draft/file/", "SPAN data-mention=", "SPAN contenteditable=false")


@pytest.fixture
def page(db: None) -> Iterator[Page]:
    company = seeding.a_company()
    seeding.a_kind()
    seeding.a_member("alice", "Alice Archer", company, Role.AGENT)
    record = seeding.a_record(company, "Poster")
    with served() as base, a_browser() as browser:
        page = a_window(browser).new_page()
        sign_in(page, base, "alice", seeding.PASSWORD)
        page.goto(f"{base}/records/{record.pk}/")
        open_composer(page)
        yield page


def test_pasted_html_is_harmless_and_keeps_its_meaning(page: Page) -> None:
    went_out: list[str] = []
    page.on("request", lambda asked: went_out.append(asked.url) if "else.example" in asked.url else None)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for html in HOSTILE:
        page.evaluate(PASTE, f"<p>still here</p>{html}")
        attributes = page.evaluate(SAFE)
        assert [one for one in attributes if not one.startswith(ALLOWED)] == [], html
        assert (
            page.locator(
                ".pr-editor :is(script, style, svg, math, iframe, form, input, object, embed, link, meta, base, video)"
            ).count()
            == 0
        )
        assert "still here" in page.inner_text(".pr-editor"), html
    for html, meant in MEANT.items():
        page.evaluate(PASTE, html)
        stands = (
            page.evaluate("document.querySelector('.pr-editor').innerHTML").replace("\u200b", "").replace("&nbsp;", " ")
        )
        assert re.sub(r"<br>(?=</)", "", stands).removesuffix("<p></p>") == meant, html
    assert page.evaluate("window.ran") is None
    assert went_out == []
    assert complaints == []
    assert not Record.objects.exclude(title="Poster").exists()


def test_what_goes_round_the_page_is_cleaned_by_the_server(page: Page) -> None:
    for html in HOSTILE:
        page.evaluate(
            """async html => {
              const form = document.querySelector('.pr-composer');
              const body = new FormData();
              body.append('csrfmiddlewaretoken', form.elements.csrfmiddlewaretoken.value);
              body.append('kind', 'note');
              body.append('html', '<p>still here</p>' + html);
              await fetch(form.action, {method: 'POST', body, headers: {'HX-Request': 'true'}});
            }""",
            html,
        )
    wait_until(lambda: Message.objects.count() == len(HOSTILE), "all were posted", 60)
    for message in Message.objects.select_related("body"):
        read = Tags()
        read.feed(message.body.html)
        assert "p" in read.tags
        assert not read.tags & ACTIVE, message.body.html
        assert [
            one for one in read.attributes if one[0].startswith(("on", "hx-", "x-", "srcset", "contenteditable"))
        ] == []
        assert [one for one in read.attributes if one[0] in ("href", "src") and "script" in one[1].lower()] == []


ACTIVE = {
    "script",
    "style",
    "iframe",
    "form",
    "input",
    "button",
    "svg",
    "math",
    "object",
    "embed",
    "meta",
    "base",
    "link",
    "video",
    "audio",
}


class Tags(HTMLParser):
    """Every element and attribute as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
