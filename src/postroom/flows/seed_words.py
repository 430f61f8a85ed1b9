"""The words of a made-up house: names, subjects and bodies of varied length, the same for the same dice.

Laws: nothing here was taken from anybody's mail; all domains are reserved ones (RFC 2606, RFC 6761), so nothing could arrive anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import Random

FIRST = (
    "Alma Amir Ana Anton Astrid Aylin Bela Benno Bianca Camille Carla Cem Chiara Clara Daniel Daria David Deniz Diego Ebba Elif Elena "
    "Emil Emma Enzo Erik Esra Eva Farah Felix Fiona Freya Gabriel Gina Grace Greta Hamid Hana Hugo Ida Ines Ingrid Ivan Jakob Jana "
    "Jonas Jorge José Julia Kaan Karim Klara Lars Layla Lea Leon Lina Liv Luca Lucía Luis Maja Malik Mara Marek Mateo Mehmet Mia Mila "
    "Mina Mira Nadia Naoki Nico Nina Noah Noor Olga Omar Oskar Paula Pedro Petra Quentin Rahel Rania Rosa Ruben Sami Sara Selma Simón "
    "Sofia Stella Sven Tariq Tess Theo Tomás Uma Vera Viktor Wanda Xenia Yara Yusuf Zoë Zofia 美咲 伟 Олена Γιώργος"
).split()
LAST = (
    "Adler Aksoy Almeida Andersen Arslan Bauer Becker Bell Berg Bianchi Blum Brandt Castro Chen Conti Costa Dahl Demir Diaz Dubois "
    "Eriksen Fabre Ferrari Fischer Fontaine Fuchs Garcia Gallo Green Haas Haddad Hansen Hartmann Hill Hoffmann Horvat Ivanov Jansen "
    "Jensen Kaya Keller Khan Klein Koch Kowalski Krüger Lange Larsen Laurent Lehmann Lind Lopez Maier Marino Martin Mendes Meyer Moreau "
    "Moretti Müller Nagy Neumann Nielsen Novak Okafor Olsen Ortega Öztürk Park Patel Pereira Petit Popov Ramos Richter Rizzo Roche Rossi "
    "Roux Santos Sato Schmidt Schulz Silva Simon Singh Sørensen Stein Suzuki Svensson Tanaka Torres Vargas Vidal Vogel Wagner Weber Wolf "
    "Yamada Yıldız Zhang Zimmer 田中 王"
).split()
HOUSES = (
    "Lumen Lamps|Nordlicht Handel|Oakhurst Furniture|Tide & Timber|Bluebird Logistics|Maison Verre|Alpine Tools|Harbour Foods|"
    "Copper Kettle|Fjord Textiles|Quartz Optics|Meadow Seeds|Atlas Bicycles|Juniper Press|Silverline Trains|Polar Instruments"
).split("|")
THINGS = (
    "desk lamp|floor lamp|lamp shade|parcel|pallet|invoice|contract|quotation|warranty|spare part|driver board|cable|sample|catalogue|"
    "oak table|office chair|shelf|refund|credit note|delivery note|customs form|power supply|dimmer|glass dome|assembly manual|"
    "price list|appointment|training|licence|subscription|service visit|battery|switch|frame|colour chart|test report"
).split("|")
RARE = "zeppelin theodolite astrolabe bathysphere gramophone metronome".split()
SUBJECTS: dict[str, tuple[str, ...]] = {
    "ticket": (
        "Where is my {thing}?", "The {thing} is broken", "Question about {thing} {number}", "{thing}: does not switch on",
        "Complaint about order {number}", "Wrong {thing} delivered", "Please help: {thing} and {other}", "Second reminder: {thing} {number}",
    ),
    "lead": (
        "{few} × {thing} for our office", "Offer for {thing}", "Do you ship a {thing} to {place}?", "Request for quotation {number}",
        "Partnership about {thing} and {other}", "{place}: new branch needs {few} × {thing}",
    ),
    "task": ("Photograph the {thing}", "Translate the {thing} for {place}", "Check stock of {thing}", "Prepare {thing} {number}"),
    "applicant": ("Application: customer care, {place}", "Application as buyer ({number})", "CV and references, {place}", "Internship in {place}"),
    "sales_order": ("Order {number}: {few} × {thing}", "Order {number}", "Order {number} for {place}: {thing}"),
    "purchase_order": ("Purchase {number}: {thing}", "Supplier {place}: {few} × {thing}", "Purchase {number}"),
    "invoice": ("Invoice {number}", "Invoice {number}: {thing}", "Invoice {number}, {place}"),
    "contact": ("{place} office", "Visit in {place}", "Address of {place}"),
}  # fmt: skip
PLACES = (
    "Oslo|Turin|Graz|Ghent|Porto|Lyon|Leeds|Kraków|Malmö|Bern|Izmir|Osaka|Quito|Nairobi|Halifax|Perth|Split|Riga|Cork|Gdańsk"
).split("|")
_SENTENCES = (
    "The {thing} arrived on {day}, but the {other} is missing.|Could you tell me when the {thing} will be sent?|"
    "We have checked the {thing} twice and it works as it should.|Order {number} contains {few} pieces, not {more}.|"
    "Thank you for the quick answer.|I am out of the office until {day} and will come back to this then.|"
    "Please use our new address in {place} from now on.|The carrier says that it was handed over in {place}.|"
    "According to our papers the {thing} was paid on {day}.|Would it be possible to change the {thing} for a {other}?|"
    "I attach a photograph so that you can see what I mean.|We would like to order {few} more, with the same conditions.|"
    "My colleague will call you on {day}, if that suits you.|The {other} that you sent fits, the {thing} does not.|"
    "Is there a discount for {more} pieces or more?|The invoice shows the old price of the {thing}.|Let me look into it and come back to you.|"
    "I have asked the warehouse in {place}, they will answer by {day}.|That is exactly what we needed.|"
    "Unfortunately the {thing} is out of stock until {day}.|We can send a replacement today, there is no need to return the old one.|"
    "Please confirm the date, otherwise we plan with {day}.|The manual says nothing about the {other}.|Sorry for the trouble.|"
    "For the record: reference {number}, {few} boxes, {place}.|Who is responsible for the {thing} at your side?|"
    "Our accountant needs the {thing} with the full company name on it.|It would be a pity to cancel because of a {other}.|"
    "Does the guarantee cover the {thing} as well?|I will forward this to the workshop.|No hurry, next week is fine.|"
    "We have been customers since {year}, and this never happened before."
).split("|")
_DAYS = "Monday Tuesday Wednesday Thursday Friday".split()
_GREETINGS = ("Hello", "Good morning", "Dear all", "Hi", "Dear Sir or Madam", "Hello again")
_PARAGRAPHS = (1, 1, 2, 2, 3, 4, 6, 14)
_POOL = 4000


@dataclass(frozen=True, slots=True)
class Person:
    """A name and its address."""

    name: str
    address: str


def person(dice: Random, number: int, domain: str) -> Person:
    """Somebody at this domain. ``number`` makes the address one of a kind."""
    first, last = dice.choice(FIRST), dice.choice(LAST)
    local = f"{first}.{last}".lower()
    return Person(f"{first} {last}", f"{local if local.isascii() else 'mail'}.{number}@{domain}")


def outside_domain(dice: Random) -> str:
    """A customer's domain: some are shared by many."""
    return dice.choice(("mailbox.example", "post.example", "web.example")) if dice.random() < 0.4 else (
        f"{dice.choice(THINGS).replace(' ', '-')}-{dice.choice(PLACES).lower().encode('ascii', 'ignore').decode()}.example"
    )  # fmt: skip


class Writer:
    """Writes subjects and bodies."""

    def __init__(self, seed: str) -> None:
        dice = Random(seed)  # noqa: S311 (nothing secret is made of it)
        self._pool = [_filled(dice, dice.choice(_SENTENCES)) for _ in range(_POOL)]

    def subject(self, dice: Random, kind: str, number: int) -> str:
        """What a record of this kind is about. One of thousands holds a rare word."""
        text = _filled(dice, dice.choice(SUBJECTS.get(kind, SUBJECTS["ticket"])), 100_000 + number)
        rare = f" ({dice.choice(RARE)})" if dice.random() < 0.0005 else ""
        return text[:1].upper() + text[1:] + rare

    def text(self, dice: Random, name: str) -> str:
        """A body: mostly short, sometimes pages long."""
        pool, size = self._pool, len(self._pool)
        parts = [f"{dice.choice(_GREETINGS)},"]
        for _ in range(dice.choice(_PARAGRAPHS)):
            at = int(dice.random() * (size - 5))
            parts.append(" ".join(pool[at : at + 1 + int(dice.random() * 4)]))
        parts.append(f"Kind regards\n{name}")
        return "\n\n".join(parts)


def as_html(text: str) -> str:
    """The same as paragraphs."""
    return "<p>" + escape(text, quote=False).replace("\n\n", "</p><p>").replace("\n", "<br>") + "</p>"


def _filled(dice: Random, template: str, number: int = 0) -> str:
    return template.format(
        thing=dice.choice(THINGS),
        other=dice.choice(THINGS),
        place=dice.choice(PLACES),
        number=number or dice.randrange(100_000, 999_999),
        few=dice.randrange(2, 40),
        more=dice.randrange(40, 500),
        day=dice.choice(_DAYS),
        year=dice.randrange(2004, 2024),
    )
