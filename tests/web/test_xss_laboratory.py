"""Hostile mails and texts in a real browser: nothing of them runs, asks another host, leads away or opens a window.

Two walls stand one behind the other, and each is tried alone: the sanitiser (in a page without any policy, where all would run) and the
frame with its policy (around bodies that nobody sanitised). Then all pages that show names, subjects and addresses of strangers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from postroom.core.mime.parsing import parse
from postroom.core.terms.reasons import because
from postroom.core.terms.states import Role
from postroom.flows import audit
from postroom.store.models import (
    Activity,
    AliasDomain,
    Attachment,
    Company,
    Draft,
    DraftFile,
    Follower,
    LetterboxMail,
    Mailbox,
    MailTemplate,
    Member,
    Record,
    RecordKind,
    SavedView,
    ScheduledMessage,
    SettingChange,
)
from postroom.wiring import ports
from tests.corpus.shared import content, labels
from tests.laboratory.availability import requires_chromium
from tests.web import seeding
from tests.web.browser import a_browser, a_window, sign_in
from tests.web.hostile.bodies import BODIES, armed
from tests.web.hostile.watching import Watch
from tests.web.hostile.words import WORDS
from tests.web.served import served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),  # of a machine that has a lot else to do
    requires_chromium,
]

AT_ONCE = 120  # frames in one page
SANDBOX = "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
WORD_PLACES = (  # one line for each place that shows what strangers wrote; {names} are numbers of rows
    "/", "/records/", "/records/?q=script", "/records/ticket/", "/records/ticket/?q=RUN", "/records/ticket/new/", "/records/{record}/",
    "/records/?who=failed", "/scheduled/", "/scheduled/{scheduled}/", "/queue/?state=all", "/queue/?state=failed", "/queue/{delivery}/",
    "/inbound/", "/inbound/?q=script", "/inbound/{inbound}/", "/held/", "/letterbox/", "/letterbox/{letter}/", "/suppression/",
    "/settings/servers/", "/settings/servers/{server}/", "/settings/domains/", "/settings/changes/", "/api/v1/docs",
    "/people/{contact}/", "/records/{record}/print/", "/records/{record}/merge/", "/records/{record}/merge/?into={other}",
    "/message/{message}/source/", "/message/{note}/edit/", "/records/{record}/?show=notes", "/letterbox/write/?to={hostile}",
    "/letterbox/write/?person={hostile}&subject={hostile}", "/records/?q={hostile}", "/settings/?q=script", "/settings/?q={hostile}",
    "/settings/people/", "/settings/people/?q=script", "/settings/people/{person}/", "/settings/companies/",
    "/settings/companies/{company}/", "/settings/audit/", "/settings/mailboxes/", "/settings/mailboxes/{mailbox}/",
    "/settings/templates/", "/settings/templates/{template}/", "/inbound/loops/",
    "/story/?q={message}", "/story/?q=delivery:{delivery}", "/story/?q=inbound:{inbound}", "/story/?q={hostile}",
)  # fmt: skip
PIECES = (  # parts of pages, and answers for programs: shown by themselves, as a browser would that was led there
    "/attention/", "/records/{record}/live/?after=0", "/records/{record}/audience/?kind=comment", "/records/{record}/templates/",
    "/people/find/?who=script", "/message/{message}/recipients/", "/inbound/{inbound}/find/?q=script", "/api/v1/records",
    "/records/{record}/composer/", "/records/{record}/activities/", "/records/{record}/mentionable/?q=script&kind=comment",
    "/records/{record}/templates/{template}/", "/message/{message}/again/", "/message/{message}/quote/",
    "/api/v1/activities", "/api/v1/records/{record}/activities", "/api/v1/records/{record}", "/api/v1/records/{record}/messages", "/api/v1/deliveries", "/api/v1/inbound", "/api/v1/openapi.json",
    "/api/v1/story?q={message}",
)  # fmt: skip


@contextmanager
def laboratory(browser: Browser, base: str, *, pictures: bool = False) -> Iterator[tuple[BrowserContext, Watch]]:
    watch = Watch(base=base, pictures=pictures)
    window = a_window(browser)
    watch.over(window)
    try:
        yield window, watch
    finally:
        window.close()


def show(window: BrowserContext, base: str, frames: Iterable[str], what: str) -> None:
    """A page of our own address that holds these frames, until all have loaded and were touched as a reader might."""
    page = window.new_page()
    html = f"<!doctype html><title>{what}</title>" + "".join(frames)
    window.route(f"{base}/laboratory/", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
    page.goto(f"{base}/laboratory/", wait_until="load")
    touch(page)
    assert page.url == f"{base}/laboratory/"
    page.close()
    window.unroute(f"{base}/laboratory/")


def look(window: BrowserContext, url: str) -> None:
    """A page of ours in a tab of its own, in which nothing leads away."""
    page = window.new_page()
    answer = page.goto(url)
    assert answer is not None
    assert answer.ok, f"{url}: {answer.status}"
    assert page.url == url
    touch(page)
    page.close()


def touch(page: Page) -> None:
    """What handlers wait for: focus, pointer, keys and clicks, in the page and in every frame of it that can be reached."""
    page.evaluate(
        """() => {
          const events = ["focus", "mouseover", "mouseenter", "pointerenter", "pointerover", "animationstart", "animationend", "transitionend",
            "toggle", "scroll", "keydown", "input", "change", "load", "error", "message", "contextmenu", "paste", "drop"];
          const documents = [document];
          for (const frame of document.querySelectorAll("iframe")) if (frame.contentDocument) documents.push(frame.contentDocument);
          for (const one of documents)
            for (const element of one.querySelectorAll("body *"))
              if (element.tagName !== "IFRAME" && !element.closest("form.pr-composer"))
                for (const name of events)
                  if (!["input", "change", "keydown", "load"].includes(name) || !element.closest("form, [hx-get], [hx-post]"))
                    element.dispatchEvent(new Event(name, { bubbles: false }));
        }"""
    )
    page.wait_for_timeout(50)  # an event of the browser's own comes after the loading


def batches(things: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(things), AT_ONCE):
        yield things[start : start + AT_ONCE]


def test_the_laboratory_notices_what_it_looks_for() -> None:
    """Without walls the hostile bodies do run: else their silence behind walls would say nothing."""
    base = "http://127.0.0.1:9"
    with a_browser() as browser, laboratory(browser, base) as (window, watch):
        show(window, base, ["<img src=x onerror=canary(1)>"], "no wall")
        assert any("a script ran: (1,)" in one for one in watch.happened)
        watch.happened.clear()
        show(window, base, [f'<iframe srcdoc="{escape(armed(body, 7))}"></iframe>' for body in BODIES[:200]], "no wall")
        ran = [one for one in watch.happened if "ran" in one]
        left = [one for one in watch.happened if "left" in one]
    assert len(ran) > 40, watch.happened
    assert len(left) > 5, watch.happened


def test_the_sanitiser_alone_leaves_nothing_that_runs() -> None:
    """In frames without sandbox and policy. Pictures from elsewhere are the frame's business: they may be asked for here."""
    base = "http://127.0.0.1:9"
    clean = ports().html.sanitize
    frames = [
        f'<iframe srcdoc="{escape(clean(armed(body, number)))}"></iframe>'
        for number, body in enumerate((*BODIES, *WORDS))
    ]
    with a_browser() as browser, laboratory(browser, base, pictures=True) as (window, watch):
        for batch in batches(frames):
            show(window, base, batch, "the sanitiser alone")
        inner = [f"<div>{clean(armed(body, number))}</div>" for number, body in enumerate(BODIES)]
        for batch in batches(inner):
            show(window, base, batch, "the sanitiser alone, within a page")
    assert watch.happened == []


def test_the_frame_alone_lets_nothing_run() -> None:
    """Bodies as they came, though nobody sanitised them."""
    company = seeding.a_company()
    seeding.a_member("alice", "Alice Archer", company, Role.MANAGER)
    record = seeding.a_record(company, "Hostile", contact=seeding.a_contact("Mallory", "mallory@evil.example"))
    places = []
    for number, body in enumerate(BODIES):
        html = armed(body, number).replace("\0", "")
        message = seeding.a_message(record, record.contact, html, quoted=html if number % 9 == 0 else "")
        places.append(f"/message/{message.pk}/body/")
    with served() as base, a_browser() as browser, laboratory(browser, base) as (window, watch):
        page = window.new_page()
        sign_in(page, base, "alice", seeding.PASSWORD)
        frames = [f'<iframe sandbox="{SANDBOX}" src="{place}"></iframe>' for place in places]
        for batch in batches(frames):
            show(window, base, batch, "the frame alone")
        for place in places[:: len(places) // 20]:  # opened by itself, without a frame around it
            look(window, base + place)
        page.goto(f"{base}/records/{record.pk}/")
        page.evaluate("document.querySelectorAll('iframe[loading=lazy]').forEach((frame) => frame.loading = 'eager')")
        page.wait_for_load_state("networkidle")
        touch(page)
        assert page.url == f"{base}/records/{record.pk}/"
    assert watch.happened == []


def test_hostile_words_do_nothing_on_any_page() -> None:
    numbers = hostile_house()
    with served() as base, a_browser() as browser, laboratory(browser, base) as (window, watch):
        page = window.new_page()
        sign_in(page, base, "ada", seeding.PASSWORD)
        for place in WORD_PLACES:
            look(window, base + place.format(**numbers))
        show(window, base, [f'<iframe src="{place.format(**numbers)}"></iframe>' for place in PIECES], "pieces")
        stolen = [one["name"] for one in window.cookies() if one.get("name") == "stolen"]
    assert stolen == []
    assert watch.happened == []


def test_hostile_mails_do_nothing_in_the_log_and_in_the_letterbox() -> None:
    company = seeding.a_company("Hostile house")
    seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)
    mails, letters = hostile_mails(company)
    with served() as base, a_browser() as browser, laboratory(browser, base) as (window, watch):
        page = window.new_page()
        sign_in(page, base, "ada", seeding.PASSWORD)
        own = [f"/inbound/{mail}/body/" for mail in mails] + [f"/letterbox/{letter}/body/" for letter in letters]
        for batch in batches([f'<iframe sandbox="{SANDBOX}" src="{place}"></iframe>' for place in own]):
            show(window, base, batch, "mails")
        for place in (f"/inbound/{mails[0]}/", f"/inbound/{mails[-1]}/", f"/letterbox/{letters[0]}/"):
            look(window, base + place)
    assert watch.happened == []


@pytest.mark.shared
def test_the_html_mails_of_the_world_do_nothing() -> None:
    """Every HTML mail of the collected corpora, by both walls together; the sanitiser alone for all of them, too."""
    bodies = []
    for label in labels("mail"):
        parsed = parse(content(label))
        if parsed.html.strip():
            bodies.append(ports().html.sanitize(parsed.html))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data: cid:"
    guarded = f'<meta http-equiv=Content-Security-Policy content="{policy}">'
    base = "http://127.0.0.1:9"
    with a_browser() as browser:
        with laboratory(browser, base, pictures=True) as (window, alone):
            for batch in batches([f'<iframe srcdoc="{escape(body)}"></iframe>' for body in bodies]):
                show(window, base, batch, "mails of the world, sanitised")
        with laboratory(browser, base) as (window, both):
            for batch in batches(
                [f'<iframe sandbox="{SANDBOX}" srcdoc="{escape(guarded + body)}"></iframe>' for body in bodies]
            ):
                show(window, base, batch, "mails of the world")
    print(f"{len(bodies)} mails with HTML")
    assert len(bodies) > 20
    assert alone.happened == both.happened == []


def hostile_mails(company: Company) -> tuple[list[int], list[int]]:
    """Each hostile body as a mail that came in, and as one in the Letterbox; numbers of the rows."""
    mails, letters = [], []
    for number, body in enumerate(BODIES):
        word = armed(WORDS[number % len(WORDS)], number).replace("\r", "").replace("\n", " ")
        raw = seeding.a_mail(
            f'"{word}" <mallory@evil.example>', "support@postroom.test", word, armed(body, number), "html"
        )
        if number % 2:
            mails.append(seeding.an_inbound(company, word[:200].replace("\0", ""), raw, "held").pk)
            continue
        letter = LetterboxMail.objects.create(
            company=company,
            to_address="carla@customer.example",
            from_display=word.replace("\0", ""),
            subject=word.replace("\0", ""),
            raw=raw,
            captured_at=seeding.NOW,
        )
        letters.append(letter.pk)
    return mails, letters


def hostile_house() -> dict[str, int | str]:
    """Every hostile word in every field that a stranger, or a careless import, can fill."""
    company = seeding.a_company("Hostile house")
    ada = seeding.a_member("ada", "Ada Admin", company, Role.ADMINISTRATOR)
    seeding.a_kind(stages=["New"])
    RecordKind.objects.filter(key="ticket").update(label=armed(WORDS[1], 1)[:80], stages=[armed(WORDS[2], 2)[:80]])
    numbers: dict[str, int | str] = {}
    for number, pattern in enumerate(WORDS):
        word = armed(pattern, 1000 + number).replace("\0", "")
        before = numbers
        numbers = _hostile_record(company, ada, word, number) | _hostile_colleague(company, word, number)
        numbers |= {"other": before.get("record", 0), "hostile": quote(armed(WORDS[1], 7))}
    Company.objects.filter(pk=company.pk).update(name=armed(WORDS[0], 3)[:200])
    return numbers | {"company": company.pk}


def _hostile_colleague(company: Company, word: str, number: int) -> dict[str, int | str]:
    """What people of the house and their settings are called."""
    person = seeding.a_member(f"colleague{number}", "Some Body", company)
    type(person.contact).objects.filter(pk=person.contact_id).update(name=word[:200])
    audit.note(ports(), "sign_in_failed", login=word, subject=word, company_id=company.pk, why=word)
    mailbox = Mailbox.objects.create(
        company=company, name=f"{number} {word}"[:100], host="x", username=word[:200], last_error=word
    )
    template = MailTemplate.objects.create(
        company=company, name=f"{number} {word}"[:100], subject=escape(word)[:200], html=f"<p>{escape(word)}</p>"
    )
    return {"person": person.pk, "mailbox": mailbox.pk, "template": template.pk}


def _hostile_record(company: Company, ada: Member, word: str, number: int) -> dict[str, int | str]:
    short = word[:80]
    carla = seeding.a_contact(word[:200], f"carla{number}@customer.example", company)
    record: Record = seeding.a_record(company, word[:250], contact=carla, stage=short, values={word: word})
    Follower.objects.create(record=record, contact=carla)
    raw = seeding.a_mail(f"carla{number}@customer.example", "support@postroom.test", "x", word, "html")
    came = seeding.an_inbound(
        company, word[:200], raw, "held" if number % 2 else "routed", header_from=word, mail_from=word[:300], rcpt_to=[word], peer=short[:60],
        error=word, message_id=word[:200], verdict=[{"decision": word, "reasons": [because(word, x=word).as_json()]}],
    )  # fmt: skip
    message = seeding.a_message(
        record,
        carla,
        "<p>hello</p>",
        subject=word[:200],
        inbound=came,
        addressed={"to": [[word, word]], "cc": [[word, word]]},
    )
    seeding.a_message(record, carla, "", kind="system", changes=[[word, word, word]])
    Message = type(message)  # noqa: N806
    Message.objects.filter(pk=message.pk).update(attachment_count=1)
    digest = ports().blobs.put(word.encode())
    Attachment.objects.create(
        message=message, name=word[:200], content_type="text/html", size=len(word), sha256=digest, content_id=short
    )
    seeding.a_message(record, ada.contact, "<p>mine</p>", subject=word[:200])
    note = seeding.a_message(record, ada.contact, f"<p>{escape(word)}</p>", kind="note", subject=word[:200])
    Activity.objects.create(
        company=company, record=record, summary=word[:200], note=word, due_on=seeding.NOW.date(), assignee=ada, planned_at=seeding.NOW
    )  # fmt: skip
    draft = Draft.objects.create(
        company=company, member=ada, record=record, html=f"<p>{escape(word)}</p>", subject=word, version=1, updated_at=seeding.NOW
    )  # fmt: skip
    DraftFile.objects.create(
        draft=draft, name=word[:200], size=len(word), sha256=digest, content_type="text/html", content_id=short
    )
    SavedView.objects.create(member=ada, name=short[:60], asked={"q": word[:200]}, position=number)
    told = seeding.a_notification(message, carla, "bounce", failure_reason=word)
    server = seeding.a_server(f"{number} {short}"[:90], trouble=word, from_filter=word[:200])
    delivery = seeding.a_delivery(
        company, word[:300], "failed", subject=word[:200], to_name=word[:200], message=message, notification=told, server=server,
        failure_reason=word, reasons=[because(word).as_json()],
    )  # fmt: skip
    seeding.an_attempt(delivery, "failed", 550, "5.1.1", word, connection=short)
    letter = LetterboxMail.objects.create(
        company=company, to_address=word[:300], from_display=word, subject=word, raw=raw, captured_at=seeding.NOW
    )
    scheduled = ScheduledMessage.objects.create(
        company=company, record=record, author=ada, author_name=word[:200], subject=word[:200], html=f"<p>{escape(word)}</p>",
        scheduled_at=seeding.NOW, created_at=seeding.NOW, trouble=word[:200],
    )  # fmt: skip
    AliasDomain.objects.create(name=f"{number}{short}")
    SettingChange.objects.create(
        changed_at=seeding.NOW,
        user=ada.user,
        company=company,
        subject=word[:200],
        before={word: word},
        after={word: "x"},
    )
    return {
        "record": record.pk, "message": message.pk, "inbound": came.pk, "delivery": delivery.pk, "letter": letter.pk, "server": server.pk,
        "scheduled": scheduled.pk, "contact": carla.pk, "note": note.pk,
    }  # fmt: skip
