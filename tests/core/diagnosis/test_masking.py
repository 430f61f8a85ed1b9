"""Masking: stable pseudonyms, and no way past them."""

from __future__ import annotations

import html
import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from email.message import EmailMessage
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.core.diagnosis import masking
from postroom.core.diagnosis.masked_mail import learn_mail, masked_mail
from postroom.core.diagnosis.masking import Masker, shape, shape_of_html
from postroom.core.mime.parsing import parse
from postroom.core.terms.addresses import normalize

KEY = b"k" * 32
LOCALS = st.from_regex(r"[a-z][a-z0-9]{1,8}([.+_-][a-z0-9]{1,6})?", fullmatch=True)
DOMAINS = st.from_regex(r"[a-z]{2,8}(\.[a-z]{2,6})?\.(example|test)", fullmatch=True)
ADDRESSES = st.builds(lambda local, domain: f"{local}@{domain}", LOCALS, DOMAINS)


def a_masker(*addresses: str, **how: bool) -> Masker:
    made = Masker(KEY, **how)
    made.learn(addresses)
    return made


def test_one_address_has_one_mask_however_it_is_written() -> None:
    masker = a_masker("carla@shop.example")
    mask = masker.address("carla@shop.example")
    assert re.fullmatch(r"p[0-9a-f]{10}@d[0-9a-f]{8}\.invalid", mask)
    assert masker.text("Carla@SHOP.example wrote to <carla@shop.example>.") == f"{mask} wrote to <{mask}>."
    assert masker.address(" <carla@shop.example> ") == mask


def test_another_bundle_has_other_masks() -> None:
    assert Masker(b"a" * 32).address("carla@shop.example") != Masker(b"b" * 32).address("carla@shop.example")


def test_a_mask_is_not_masked_again() -> None:
    masker = a_masker("carla@shop.example")
    once = masker.text("from carla@shop.example at mail.shop.example")
    assert masker.text(once) == once


def test_sub_addresses_and_domains_stay_what_they_are_to_each_other() -> None:
    masker = a_masker("support@shop.example", "support+x@shop.example", "info@shop.example")
    base, more, other = (masker.address(f"{one}@shop.example") for one in ("support", "support+x", "info"))
    assert more.startswith(f"{base.partition('@')[0]}+")
    assert len({one.partition("@")[2] for one in (base, more, other)}) == 1


@pytest.mark.parametrize(
    "written",
    [
        "carla@shop.example",
        "CARLA@Shop.Example",
        "mailto:carla@shop.example?subject=x",
        "https://x.test/?to=carla%40shop.example&x=1",
        "carla&#64;shop.example",
        "carla=40shop.example",
        "bounce+carla=shop.example@list.test",
        "smtp.mailfrom=carla@shop.example;",
        "'carla@shop.example'",
        "x/carla@shop.example/y",
        "http://x.test/carla@shop.example.html",
        "see mail.shop.example",
        "a@b@carla@shop.example",
        "carla\uff20shop.example",
        "carla\ufe6bshop.example",
        "X-Split: carla@\r\n shop.example",
        "carla@ shop.example",
        "bounce-carla=40shop.example.html",
    ],
)
def test_what_was_learned_is_found_in_every_disguise(written: str) -> None:
    told = a_masker("carla@shop.example").text(written).lower()
    assert "carla" not in told, told
    assert "shop.example" not in told, told


@pytest.mark.parametrize(
    "words", ["carla@shop.example", "<Carla@shop.example>?", "e=carla%40shop.example&n=1", "Ü carla@shop.example ~~~"]
)
@pytest.mark.parametrize(
    "written", ["X-Enc: {}", "<https://l.example/u?e={}>, <x>", "https://l.example/unsubscribe/{}/now", "a={};"]
)
@pytest.mark.parametrize("code", [b64encode, urlsafe_b64encode])
def test_what_was_learned_is_found_within_base64(words: str, written: str, code: Callable[[bytes], bytes]) -> None:
    coded = code(words.encode()).decode()
    for one in (coded, coded.rstrip("=")):
        masker = a_masker("carla@shop.example")
        told = masker.text(written.format(one))
        before, behind = written.split("{}")
        assert one not in told
        assert masker.text(told) == told, "once is enough"
        found = told[len(before) : len(told) - len(behind)] if behind else told[len(before) :]
        inner = urlsafe_b64decode(found.replace("+", "-").replace("/", "_") + "==").decode().lower()
        assert "carla" not in inner
        assert masker.local("carla") in inner


@pytest.mark.parametrize("word", ["internationalization", "abcdefghijklmnop", "----------------", "a" * 17, "/" * 40])
def test_what_only_looks_like_base64_stays(word: str) -> None:
    assert a_masker("carla@shop.example").text(word) == word


def test_a_stranger_who_writes_many_separators_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted: each question whether something is an address costs the same, so their number is to grow as the text does."""
    asked = 0

    def counted(spec: str) -> str:
        nonlocal asked
        asked += 1
        return normalize(spec)

    monkeypatch.setattr(masking, "normalize", counted)
    for piece in ("id=", "=a.example", "id=40", "x=b.example=40", "id@", "x%40", "a.b=c.d="):
        masker = a_masker("x@a.example", "carla.private@b.example", "y@localhost")
        text, asked = piece * 2_000, 0
        masker.text(text)
        assert asked <= len(text), piece


def test_what_stands_before_an_address_stays() -> None:
    masker = a_masker("carla@shop.example")
    mask = masker.address("carla@shop.example")
    assert masker.text("spf=pass smtp.mailfrom=carla@shop.example") == f"spf=pass smtp.mailfrom={mask}"
    assert masker.text("dkim=pass header.i=@shop.example").endswith(f"header.i=@{masker.domain('shop.example')}")


def test_message_ids_stay_unless_they_are_to_be_hidden_or_are_somebodys_address() -> None:
    masker = a_masker("carla@shop.example")
    masker.keep_message_ids(["<1234@mail.shop.example>", "<carla@shop.example>"])
    assert masker.text("References: <1234@mail.shop.example>") == "References: <1234@mail.shop.example>"
    assert "carla" not in masker.text("References: <carla@shop.example>")
    hiding = a_masker("carla@shop.example", hides_message_ids=True)
    hiding.keep_message_ids(["<1234@mail.shop.example>"])
    assert "shop" not in hiding.text("<1234@mail.shop.example>")


def test_bodies_become_their_shapes() -> None:
    assert shape("Dear Bob,\n> 12 pieces") == "Xxxx Xxx,\n> 00 xxxxxx"
    assert shape_of_html('<p class="secret">Hi <b>Bob</b></p>') == "<p>Xx <b>Xxx</b></p>"


def test_a_long_text_without_addresses_costs_little() -> None:
    masker = a_masker("carla@shop.example")
    text = "x" * 200_000 + "=" * 50_000 + "@" * 50_000 + "a.b" * 50_000 + "<" * 50_000
    assert masker.text(text).startswith("x" * 200_000)
    assert len(shape_of_html(text)) >= 50_000


@pytest.mark.parametrize(
    "piece", ["a=", "a=b.c.d.e.", "x.y-z=shop.example=", "a@", pytest.param("a@" + "b." * 90, id="labels")]
)
def test_what_a_stranger_wrote_is_looked_at_once_and_not_once_for_each_of_its_beginnings(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body of a megabyte that only looks like addresses kept the maker of a bundle busy for minutes."""
    masker = a_masker("carla@shop.example")
    looked = Counter[str]()

    def counted(name: str, look: Callable[[str], str]) -> Callable[[str], str]:
        return lambda text: looked.update([name]) or look(text)

    for name in ("normalize", "normalize_domain"):
        monkeypatch.setattr(masking, name, counted(name, getattr(masking, name)))
    times = 2_000 // len(piece)
    masker.text(piece * times)
    assert looked.total() <= 12 * times, looked


@given(st.lists(ADDRESSES, min_size=1, max_size=4), st.text(max_size=40), st.sampled_from([" ", "<", "\n", ";", "="]))
def test_no_learned_address_is_left_in_a_text(addresses: list[str], words: str, glue: str) -> None:
    text = glue.join(
        [words, *addresses, words, *(quote(one, safe="") for one in addresses), *map(str.upper, addresses)]
    )
    told = a_masker(*addresses).text(text).lower()
    for one in addresses:
        assert one not in told
        assert one.replace("@", "%40") not in told


# ---- mails


def a_mail(sender: str, recipients: list[str], words: str) -> bytes:
    inner = EmailMessage()
    inner["From"], inner["To"], inner["Subject"] = recipients[0], sender, "Before"
    inner.set_content(f"{words} {sender}")
    mail = MIMEMultipart("mixed")
    mail["From"] = f"Änne <{sender}>"
    mail["To"] = ", ".join(f"Bob <{one}>" for one in recipients)
    mail["Subject"] = f"=?utf-8?q?for_{quote(sender).replace('%', '=')}?="
    mail["Message-ID"] = "<1234.abcd@mailer.test>"
    mail["Received"] = f"from x.test by y.test for <{recipients[0]}>; Fri, 20 Nov 2026 10:00:00 +0000"
    mail["X-Odd"] = f"{sender}"
    alternative = MIMEMultipart("alternative")
    alternative.attach(MIMEText(f"{words} {sender} {recipients[-1]}", "plain", "utf-8"))
    alternative.attach(MIMEText(f"<p><a href='mailto:{sender}'>{html.escape(words)}</a> {sender}</p>", "html", "utf-8"))
    mail.attach(alternative)
    mail.attach(MIMEMessage(inner))
    card = MIMEText(f"BEGIN:VCARD\nEMAIL:{sender}\nEND:VCARD", "vcard", "utf-8")
    card.add_header("Content-Disposition", "attachment", filename=f"{sender}.vcf")
    mail.attach(card)
    return mail.as_bytes()


def texts_of(raw: bytes) -> str:
    """All that can be read in a mail, decoded."""
    parsed = parse(raw)
    told = [raw.decode("utf-8", "replace"), parsed.text, parsed.html, str(parsed.headers)]
    for one in parsed.attachments:
        told += [one.name, one.content.decode("utf-8", "replace"), str(parse(one.content))]
    return "\n".join(told).lower()


@given(
    ADDRESSES,
    st.lists(ADDRESSES, min_size=1, max_size=3),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60),
    st.booleans(),
)
def test_no_address_of_a_mail_is_left_in_its_masked_copy(
    sender: str, recipients: list[str], words: str, hides_bodies: bool
) -> None:
    raw = a_mail(sender, recipients, words)
    masker = Masker(KEY, hides_bodies=hides_bodies)
    learn_mail(masker, raw)
    told = texts_of(masked_mail(raw, masker))
    for one in (sender, *recipients):
        assert one in texts_of(raw)
        assert one not in told
        assert one.replace("@", "%40") not in told


@given(st.binary(max_size=600))
def test_masking_any_bytes_never_raises(raw: bytes) -> None:
    masker = Masker(KEY, hides_bodies=True)
    learn_mail(masker, raw)
    assert masked_mail(raw, masker)


def test_the_copy_is_built_as_the_original() -> None:
    raw = a_mail("carla@shop.example", ["bob@in.test"], "Hello")
    masker = Masker(KEY)
    learn_mail(masker, raw)
    copy = parse(masked_mail(raw, masker))
    assert copy.message_id == "<1234.abcd@mailer.test>"
    assert copy.author is not None
    assert (copy.author.spec, copy.author.name) == (masker.address("carla@shop.example"), "Xxxx")
    assert copy.to[0].spec == masker.address("bob@in.test")
    assert "Hello" in copy.text
    assert [one.content_type for one in copy.attachments] == [one.content_type for one in parse(raw).attachments]


def test_hidden_bodies_leave_no_word() -> None:
    raw = a_mail("carla@shop.example", ["bob@in.test"], "Confidential plans")
    masker = Masker(KEY, hides_addresses=False, hides_bodies=True)
    learn_mail(masker, raw)
    copy = masked_mail(raw, masker)
    assert b"onfidential" not in copy
    assert b"carla@shop.example" in copy  # who wrote is not hidden then


def test_without_masks_the_copy_is_the_original() -> None:
    raw = a_mail("carla@shop.example", ["bob@in.test"], "Hello")
    assert masked_mail(raw, Masker(KEY, hides_addresses=False)) == raw
