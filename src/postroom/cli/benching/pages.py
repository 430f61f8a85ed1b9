"""The table of addresses: every list and record page, as `bench web` measures it and as the tests of query budgets walk it.

Law: a page that is not here must be named in `NOT_MEASURED` with its reason; a test compares both with the addresses of the house.
``{names}`` in an address are landmarks: numbers and texts of the house at hand (see `benching.landmarks`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BUDGET = 15  # queries of a page, session and sign-in included
MEDIAN_MS, P95_MS = 100.0, 250.0  # what must hold with a million messages
GOAL_MEDIAN_MS, GOAL_P95_MS = 50.0, 150.0  # where we want to be


class Reader(StrEnum):
    """Who looks: at all companies, or at one small one among large ones (whose rows are thinly strewn)."""

    ADMINISTRATOR = "administrator"
    MANAGER = "manager"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Place:
    """A page: its name in the table, its address, who may see it, and whether htmx asks for it (a piece of a page)."""

    name: str
    path: str
    readers: tuple[Reader, ...]
    is_piece: bool = False


_EVERYBODY = (Reader.ADMINISTRATOR, Reader.AGENT)
_MAIL = (Reader.ADMINISTRATOR, Reader.MANAGER)
_HOUSE = (Reader.ADMINISTRATOR,)


def _all(rows: str, readers: tuple[Reader, ...]) -> tuple[Place, ...]:
    """``name | address`` on each line; ``+`` before an address: a piece."""
    found = []
    for line in rows.strip().splitlines():
        name, _, path = (part.strip() for part in line.partition("|"))
        found.append(Place(name, path.removeprefix("+"), readers, is_piece=path.startswith("+")))
    return tuple(found)


PLACES: tuple[Place, ...] = (
    *_all(
        """
        home | /
        home: attention | +/attention/
        home: pulse | +/pulse/
        for me | /for-me/
        for me: starred | /for-me/?view=starred
        my failures | /failures/
        my failures: badge | +/failures/?badge=1
        my failures: menu | +/failures/
        records: all | /records/
        records: mine | /records/?who=mine
        records: unassigned | /records/?who=unassigned
        records: with failures | /records/?who=failed
        records: deep page | /records/?after={deep_record}
        records: deep piece | +/records/?after={deep_record}
        records: tickets | /records/ticket/
        records: leads | /records/lead/
        records: invoices | /records/invoice/
        records: orders | /records/sales_order/
        records: contacts (few) | /records/contact/
        records: stage | /records/ticket/?stage={stage}
        records: rare stage of mine | /records/applicant/?stage={rare_stage}&who=mine
        records: tickets unassigned | /records/ticket/?who=unassigned
        records: search rare | /records/?q={rare_word}
        records: search common | /records/?q={common_word}
        records: search common in kind | /records/ticket/?q={common_word}
        records: search two words | /records/?q={common_word}+{other_word}
        records: search address | /records/?q={address_text}
        records: search great customer | /records/?q={great_text}
        records: search one letter | /records/?q=a
        records: search nothing found | /records/?q=qqqzzz
        records: search a number | /records/?q={record_long}
        records: search in done | /records/?q={common_word}&state=done
        records: search, further | +/records/?q={common_word}&below={middle_message}
        records: unanswered | /records/?who=waiting
        records: I follow | /records/?who=followed
        records: done | /records/?state=done
        records: of a contact | /records/?contact={contact}
        records: written since | +/records/?since=2026-01-01T00:00:00Z
        records: new | /records/ticket/new/
        people: find | +/people/find/?who={other_word}
        people: find a letter | +/people/find/?who=a
        record: 1 message | /records/{record_short}/
        record: 100 messages | /records/{record_middle}/
        record: longest | /records/{record_long}/
        record: longest, older | +/records/{record_long}/messages/?before={middle_message}
        record: live | +/records/{record_long}/live/?after={middle_message}
        record: at a message | /records/{record_long}/?at={middle_message}
        record: notes alone | /records/{record_long}/?show=notes
        record: in the pane | +/records/{record_long}/
        record: audience | +/records/{record_long}/audience/?kind=comment
        record: scheduled | +/records/{record_long}/scheduled/
        record: activities | +/records/{record_long}/activities/
        record: composer | +/records/{record_long}/composer/
        record: mention | /records/{record_long}/mentionable/?q=a
        record: print | /records/{record_long}/print/
        record: merge | +/records/{record_long}/merge/
        record: templates | +/records/{record_long}/templates/
        contact | /people/{contact}/
        message: again | +/message/{message}/again/
        message: body | /message/{message}/body/
        message: recipients | /message/{crowded_message}/recipients/
        message: many recipients | +/message/{crowded_message}/recipients/
        scheduled | /scheduled/
        story: nothing asked | /story/
        story: of a message | /story/?q={message}
        story: of a message to many | /story/?q={crowded_message}
        story: of an address | /story/?q={address_text}
        story: of nobody | /story/?q=nobody%40nowhere.example
        letterbox | /letterbox/
        letterbox: a person | /letterbox/?to={letter_person}
        letterbox: write | /letterbox/write/
        letterbox: a letter | /letterbox/{letter}/
        blacklist | /suppression/
        blacklist: bouncing | /suppression/?view=bouncing
        blacklist: complained | /suppression/?view=complained
        blacklist: released | /suppression/?view=released
        blacklist: search | /suppression/?q=post.example
        blacklist: worst | +/suppression/worst/
        blacklist: an address | /suppression/{health}/
        settings | /settings/
        settings: mine | /settings/mine/
        settings: my keys | /settings/keys/
        settings: approvals | /settings/approvals/
        api: records | /api/v1/records
        api: records search | /api/v1/records?q={common_word}
        api: record | /api/v1/records/{record_long}
        api: followers | /api/v1/records/{record_long}/followers
        api: messages | /api/v1/records/{record_long}/messages
        api: suppressions | /api/v1/suppressions
        api: story | /api/v1/story?q={message}
        """,
        _EVERYBODY,
    ),
    *_all(
        """
        queue: outgoing | /queue/
        queue: sent | /queue/?state=sent
        queue: sent, deep | /queue/?state=sent&after={deep_delivery}
        queue: failed | /queue/?state=failed
        queue: bounced | /queue/?state=bounced
        queue: unknown | /queue/?state=unknown
        queue: complained | /queue/?state=complained
        queue: cancelled | /queue/?state=cancelled
        queue: all | /queue/?state=all
        queue: to an address | /queue/?state=all&to={recipient}
        queue: to a part | /queue/?state=all&to={recipient_part}
        queue: sent to a part | /queue/?state=sent&to={recipient_part}
        queue: to nobody | /queue/?state=all&to=qqqzzz
        queue: server | /queue/?server={server}
        queue: sent by server | /queue/?state=sent&server={server}
        queue: lane | /queue/?lane=urgent
        queue: sent by lane | /queue/?state=sent&lane=campaign
        queue: gate paused | /queue/?gate=paused
        queue: gate retry | /queue/?gate=retry
        queue: gate limit | /queue/?gate=limit
        queue: gate not due | /queue/?gate=not_due
        queue: failures in groups | /queue/failures/
        queue: find nothing | /queue/find/?q=qqqzzz
        delivery: failed | /queue/{failed_delivery}/
        delivery: bounced | /queue/{bounced_delivery}/
        inbound: all | /inbound/
        inbound: deep | /inbound/?after={deep_inbound}
        inbound: routed | /inbound/?state=routed
        inbound: held | /inbound/?state=held
        inbound: refused | /inbound/?state=refused
        inbound: discarded | /inbound/?state=discarded
        inbound: failed | /inbound/?state=failed
        inbound: received | /inbound/?state=received
        inbound: by mailbox | /inbound/?door=imap
        inbound: sender | /inbound/?sender={sender}
        inbound: text | /inbound/?q={common_word}&age=month
        inbound: text not found | /inbound/?q=qqqzzz
        inbound: alias | /inbound/?alias={alias}
        inbound: a mail | /inbound/{inbound}/
        inbound: its body | /inbound/{inbound}/body/
        inbound: its source | /inbound/{inbound}/source/
        inbound: find a record | +/inbound/{held}/find/?q={common_word}
        inbound: loops | /inbound/loops/
        held | /held/
        held: a mail | /inbound/{held}/
        api: deliveries | /api/v1/deliveries
        api: deliveries sent | /api/v1/deliveries?state=sent
        api: delivery | /api/v1/deliveries/{failed_delivery}
        api: inbound | /api/v1/inbound
        api: an inbound mail | /api/v1/inbound/{inbound}
        """,
        _MAIL,
    ),
    *_all(
        """
        inbound: try | /inbound/try/
        settings: servers | /settings/servers/
        settings: a server | /settings/servers/{server_id}/
        settings: receivers | /settings/receivers/
        settings: limits | /settings/limits/
        settings: mailboxes | /settings/mailboxes/
        settings: a mailbox | /settings/mailboxes/{mailbox}/
        settings: ingress | /settings/ingress/
        settings: domains | /settings/domains/
        settings: a domain | /settings/domains/{domain}/
        settings: dkim | /settings/dkim/
        settings: aliases | /settings/aliases/
        settings: an alias | /settings/aliases/{alias_id}/
        settings: templates | /settings/templates/
        settings: a template | /settings/templates/{template}/
        settings: rules | /settings/rules/
        settings: a new rule | /settings/rules/new/
        settings: parameters | /settings/parameters/
        settings: actions | /settings/actions/
        settings: an action | /settings/actions/{action}/
        settings: people | /settings/people/
        settings: a person | /settings/people/{member}/
        settings: companies | /settings/companies/
        settings: a company | /settings/companies/{company}/
        settings: audit | /settings/audit/
        settings: secrets | /settings/secrets/
        settings: mail tests | /settings/mail-tests/
        settings: changes | /settings/changes/
        """,
        _HOUSE,
    ),
)

NOT_MEASURED: dict[str, str] = {
    # name of the address: why no list and no record page
    "web:chosen": "one contact by its number",
    "web:live": "a stream: see bench live",
    "web:attachment": "a file",
    "web:draft_file": "a file",
    "web:letter_file": "a file",
    "web:picture": "a file",
    "web:source": "one mail's bytes",
    "web:message": "leads to its record",
    "web:quote": "one message as a quotation",
    "web:edit_note": "one note's form",
    "web:linked_file": "a file",
    "web:scheduled_file": "a file",
    "web:template_file": "a file",
    "web:letter_body": "one letter's frame",
    "web:letter_source": "one letter's bytes",
    "web:letter_act": "what a person does",
    "web:scheduled_one": "one row",
    "web:queue_change": "one row",
    "web:filled_template": "one template, filled",
    "web:inbound_why": "routes the mail once more without effect, with all that routing asks",
    "web:inbound_attach": "a form",
    "web:inbound_create": "a form",
    "web:mailbox_reset": "a form",
    "web:template_new": "an empty form",
    "web:rule": "the form of a new one, filled",
    "web:bundle": "a form",
    "web:mail_test": "one row",
    "web:receivers_report": "one report",
    "web:health": "looks through the whole house, as the doctor does",
    "web:server_new": "an empty form",
    "web:mailbox_new": "an empty form",
    "web:domain_new": "an empty form",
    "web:alias_new": "an empty form",
    "web:company_new": "an empty form",
    "web:person_new": "an empty form",
    "web:alias_tested": "one test's standing",
    "web:trial": "one trial's standing",
    "web:consent": "a form",
    "web:consent_back": "where a provider leads back to",
    "web:join": "a form, before sign-in",
    "web:welcome": "leads to a step",
    "web:welcome_begin": "before sign-in",
    "web:welcome_find": "one form, filled",
    "web:welcome_step": "a form",
}  # fmt: skip
