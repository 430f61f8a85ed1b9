"""Who may see and do what on each page: the table that `test_access_matrix` tries out.

Each address of ours has one line in `RULES`: by its name, who may look at it (GET) and who may change something by it (POST). A person who
is not named must get 403 or 404 (or, signed out, the sign-in), and must not read a word of the company that owns what is shown.

    "web:record": Rule(see=OWN),                       # a page
    "web:change": Rule(do=WRITERS, data={...}),        # a change; ``data`` is what its form sends
    "web:mine": Rule(see=ALL, do=ALL),                 # both

``numbers`` in the address are found by the name of the argument (`NUMBERS`), or given with ``args``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

# people (tests/web/test_access_matrix.py makes them): three roles and a reader of the company that owns everything; an administrator of all
# companies; an administrator of another company; a user who is no member; and somebody who has not signed in
HOUSE = frozenset({"house"})
ADMINS = HOUSE | {"admin"}
MANAGERS = ADMINS | {"owner"}
WRITERS = MANAGERS | {"colleague"}
OWN = WRITERS | {"reader"}
OTHER = frozenset({"other"})
OWNER = frozenset({"owner"})  # whose note, draft and view the matrix tries
ALL = OWN | OTHER  # every member, each with his own things
PUBLIC = ALL | {"stranger", "nobody"}
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``see``: who gets the page. ``do``: who may post to it, with ``data`` and with a file in each of ``files``. ``args``: arguments of the
    address that `NUMBERS` does not know. ``query``: what stands behind the question mark."""

    see: frozenset[str] = NONE
    do: frozenset[str] = NONE
    data: dict[str, str] = field(default_factory=dict)
    args: dict[str, str] = field(default_factory=dict)
    query: str = ""
    files: tuple[str, ...] = ()


RULES: dict[str, Rule] = {
    # home
    "web:home": Rule(see=ALL),
    "web:attention": Rule(see=ALL),
    "web:pulse": Rule(see=ALL),
    "web:guide_close": Rule(do=HOUSE),
    "web:for_me": Rule(see=ALL),
    "web:read": Rule(do=ALL),
    "web:failures": Rule(see=ALL),
    "web:failures_ignore": Rule(do=WRITERS | OTHER, data={"kind": "ticket"}),
    "web:dismiss": Rule(do=MANAGERS),
    # records
    "web:records": Rule(see=ALL),
    "web:kind": Rule(see=ALL, args={"kind": "ticket"}),
    "web:new": Rule(see=WRITERS | OTHER, do=WRITERS | OTHER, args={"kind": "ticket"}, data={"title": "x"}),
    "web:find": Rule(see=ALL, query="who=carla"),
    "web:chosen": Rule(see=ALL, query="id=0"),
    "web:contact": Rule(see=OWN),
    "web:records_act": Rule(do=WRITERS | OTHER, data={"act": "done:1", "id": "{record}"}),
    "web:records_undo": Rule(do=OWNER, data={"undo": "{undo}"}),
    "web:view_save": Rule(do=ALL, data={"name": "Mine"}),
    "web:view_change": Rule(do=OWNER, data={"act": "remove"}),
    "web:record": Rule(see=OWN),
    "web:change": Rule(do=WRITERS, data={"stage": "Solved"}),
    "web:contact_language": Rule(do=WRITERS, data={"language": "de"}),
    "web:follow": Rule(do=WRITERS, data={"contact": "{contact}"}),
    "web:unfollow": Rule(do=WRITERS, data={"contact": "{contact}"}),
    "web:subtypes": Rule(do=WRITERS, data={"contact": "{contact}", "comments": "1"}),
    "web:activities": Rule(see=OWN, do=WRITERS, data={"kind": "call", "due_on": "2030-01-02"}),
    "web:activity": Rule(do=WRITERS, data={"act": "done"}),
    "web:merge": Rule(see=WRITERS, do=WRITERS, data={"into": "{other_record}"}),
    "web:print": Rule(see=OWN),
    "web:messages": Rule(see=OWN, do=WRITERS, data={"kind": "note", "text": "x"}),
    "web:audience": Rule(see=WRITERS, query="kind=comment"),
    "web:composer": Rule(see=WRITERS),
    "web:mentionable": Rule(see=WRITERS, query="q=bob"),
    "web:draft": Rule(do=WRITERS, data={"html": "x"}),
    "web:draft_discard": Rule(do=WRITERS),
    "web:draft_upload": Rule(do=WRITERS, files=("file",)),
    "web:draft_remove": Rule(do=WRITERS, args={"file_id": "{draft_file}"}),  # of one's own draft; others' stay
    "web:draft_file": Rule(see=OWNER, args={"file_id": "{draft_file}"}),
    "web:record_scheduled": Rule(see=OWN),
    "web:record_templates": Rule(see=OWN),
    "web:filled_template": Rule(see=WRITERS),
    "web:save_as_template": Rule(do=ADMINS, data={"template_name": "x", "html": "x"}),
    "web:record_live": Rule(see=OWN, query="after=0"),
    "web:body": Rule(see=OWN),
    "web:message": Rule(see=OWN),
    "web:message_again": Rule(see=OWN),
    "web:source": Rule(see=OWN),
    "web:quote": Rule(see=WRITERS),
    "web:star": Rule(do=OWN, data={"on": "1"}),
    "web:edit_note": Rule(see=OWNER, do=OWNER, args={"message_id": "{note}"}, data={"html": "<p>x</p>"}),
    "web:remove_note": Rule(do=OWNER, args={"message_id": "{note}"}),
    "web:images": Rule(do=OWN),
    "web:picture": Rule(see=OWN, query="at={picture}"),  # signed for the message, and for those who may read it
    "web:recipients": Rule(see=OWN),
    "web:resend": Rule(do=WRITERS),
    "web:ignore": Rule(do=WRITERS),
    "web:undo": Rule(do=WRITERS),
    "web:attachment": Rule(see=OWN),
    # written ahead
    "web:scheduled": Rule(see=ALL),
    "web:scheduled_one": Rule(see=OWN, do=WRITERS),
    "web:scheduled_cancel": Rule(do=WRITERS),
    "web:scheduled_send": Rule(do=frozenset({"house", "admin", "owner"})),
    "web:scheduled_file": Rule(see=OWN),
    # links in mails: who has the token has the file
    "web:linked_file": Rule(args={"token": "none", "name": "x"}),
    # queue
    "web:queue": Rule(see=MANAGERS | OTHER),
    "web:queue_act": Rule(do=MANAGERS | OTHER, data={"action": "cancel", "id": "{delivery}"}),
    "web:queue_failures": Rule(see=MANAGERS | OTHER),
    "web:story": Rule(see=ALL, query="q=zzzzzz"),  # of what: see test_story_pages
    "web:queue_find": Rule(see=MANAGERS | OTHER, query="q=zzzzzz"),
    "web:queue_change": Rule(see=frozenset({"owner"})),  # who asked for it looks at it
    "web:queue_undo": Rule(do=frozenset({"owner"})),
    "web:delivery": Rule(see=MANAGERS),
    "web:queue_pause": Rule(do=HOUSE, data={"pause": "1"}),
    # what came in
    "web:inbound": Rule(see=MANAGERS | OTHER),
    "web:held": Rule(see=MANAGERS | OTHER),
    "web:loops": Rule(see=MANAGERS | OTHER),
    "web:loops_act": Rule(
        do=MANAGERS | OTHER, data={"act": "leave", "target": "x", "author": "carla@customer.example"}
    ),
    "web:inbound_mail": Rule(see=MANAGERS),
    "web:inbound_body": Rule(see=MANAGERS),
    "web:inbound_source": Rule(see=MANAGERS),
    "web:inbound_find": Rule(see=MANAGERS, query="q=poster"),
    "web:inbound_why": Rule(see=MANAGERS),
    "web:inbound_again": Rule(do=MANAGERS),
    "web:inbound_attach": Rule(do=MANAGERS, data={"record": "{record}"}),
    "web:inbound_create": Rule(do=MANAGERS, data={"kind": "ticket"}),
    "web:inbound_refuse": Rule(do=MANAGERS),
    "web:inbound_discard": Rule(do=MANAGERS),
    "web:inbound_allow": Rule(do=MANAGERS),
    "web:inbound_act": Rule(do=MANAGERS | OTHER, data={"action": "discard", "id": "{held}"}),
    "web:inbound_every": Rule(do=MANAGERS | OTHER),
    "web:inbound_try": Rule(see=HOUSE, do=HOUSE),
    # letterbox
    "web:letterbox": Rule(see=ALL),
    "web:letter": Rule(see=OWN),
    "web:letter_body": Rule(see=OWN),
    "web:letter_source": Rule(see=OWN),
    "web:letter_file": Rule(see=OWN, args={"letter_id": "{letter_with_file}", "number": "1"}),
    "web:letter_write": Rule(see=WRITERS | OTHER, do=WRITERS | OTHER, data={"text": "x"}),
    "web:letter_act": Rule(do=WRITERS, data={"action": "away"}),
    "web:letter_seen": Rule(do=OWN),
    # blacklist and bounces
    "web:suppression": Rule(see=ALL, do=MANAGERS | OTHER),
    "web:worst": Rule(see=ALL),
    "web:address": Rule(see=OWN),
    "web:release": Rule(do=MANAGERS),
    # settings
    "web:settings": Rule(see=ALL),
    "web:mine": Rule(see=ALL, do=ALL),
    "web:keys": Rule(see=ALL, do=ALL, data={"name": "x"}),
    "web:approvals": Rule(see=ALL),
    "web:approval": Rule(do=MANAGERS, data={"decision": "refuse"}),
    "web:remove_key": Rule(do=OTHER, data={"id": "{foreign_key}"}),
    "web:confirm_home": Rule(do=HOUSE),
    "web:people": Rule(see=ADMINS | OTHER),
    "web:person_new": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:person": Rule(see=ADMINS, do=ADMINS),
    "web:person_act": Rule(do=ADMINS, data={"step": "link"}),
    "web:companies": Rule(see=HOUSE),
    "web:company_new": Rule(see=HOUSE, do=HOUSE),
    "web:company": Rule(see=HOUSE, do=HOUSE, args={"row_id": "{company}"}),
    "web:capture": Rule(do=HOUSE),
    "web:servers": Rule(see=ADMINS | OTHER),
    "web:server_new": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:server": Rule(see=HOUSE, do=HOUSE, args={"row_id": "{server}"}),
    "web:server_configured_test": Rule(do=HOUSE),
    "web:server_test": Rule(do=HOUSE, args={"row_id": "{server}"}),
    "web:server_try": Rule(do=HOUSE, args={"row_id": "{server}"}),
    "web:trial": Rule(see=HOUSE),  # of whoever began it
    "web:trial_cancel": Rule(do=HOUSE),
    "web:server_hook": Rule(do=HOUSE, args={"row_id": "{api_server}"}, data={"step": "forget"}),
    "web:server_release": Rule(do=HOUSE, args={"row_id": "{server}"}),
    "web:mailboxes": Rule(see=ADMINS | OTHER),
    "web:mailbox_new": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:mailbox": Rule(see=ADMINS, do=ADMINS, args={"row_id": "{mailbox}"}),
    "web:mailbox_test": Rule(do=ADMINS, args={"row_id": "{mailbox}"}),
    "web:mailbox_try": Rule(do=ADMINS, args={"row_id": "{mailbox}"}),
    "web:mailbox_unconfirm": Rule(do=ADMINS, args={"row_id": "{mailbox}"}),
    "web:consent": Rule(
        see=ADMINS,
        do=ADMINS,
        args={"kind": "mailbox", "row_id": "{mailbox}"},
        query="provider=google",
        data={"step": "start"},
    ),
    "web:consent_back": Rule(see=ALL),  # only what this browser began goes on; to others it says so
    "web:mailbox_fetch": Rule(do=ADMINS, args={"row_id": "{mailbox}"}),
    "web:mailbox_reconcile": Rule(do=ADMINS, args={"row_id": "{mailbox}"}),
    "web:mailbox_reset": Rule(see=ADMINS, do=ADMINS, args={"row_id": "{mailbox}"}, query="to=end", data={"to": "end"}),
    "web:ingress": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:ingress_remove": Rule(do=ADMINS, args={"hook_id": "{hook}"}),
    "web:domains": Rule(see=HOUSE),
    "web:domain_new": Rule(see=HOUSE, do=HOUSE),
    "web:domain": Rule(see=HOUSE, do=HOUSE, args={"row_id": "{domain}"}),
    "web:aliases": Rule(see=ADMINS | OTHER),
    "web:alias_new": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:alias": Rule(see=ADMINS, do=ADMINS, args={"row_id": "{alias}"}),
    "web:alias_test": Rule(do=ADMINS, args={"row_id": "{alias}"}),
    "web:alias_tested": Rule(see=ADMINS, args={"row_id": "{alias}"}, query="mail=x"),
    "web:health": Rule(see=HOUSE, do=HOUSE),
    "web:bundle": Rule(see=HOUSE, do=HOUSE, data={"addresses": "1"}),
    "web:watch_hook": Rule(do=HOUSE),
    "web:receivers": Rule(see=HOUSE),
    "web:receivers_report": Rule(see=HOUSE, args={"number": "{receivers_report}"}),
    "web:limits": Rule(see=HOUSE),
    "web:limits_change": Rule(do=HOUSE),
    "web:mail_tests": Rule(see=HOUSE, do=HOUSE, data={"mail": "From: alice@northwind.example"}),
    "web:mail_test_send": Rule(do=HOUSE, data={"server": "{server}", "mailbox": "{mailbox}"}),
    "web:mail_test": Rule(see=HOUSE),
    "web:secrets": Rule(see=HOUSE),
    "web:secrets_rotate": Rule(do=HOUSE),
    "web:secrets_forget": Rule(do=HOUSE),
    "web:dkim": Rule(see=ADMINS | OTHER),
    "web:dkim_create": Rule(do=ADMINS | OTHER),
    "web:dkim_rotate": Rule(do=ADMINS | OTHER),
    "web:dkim_act": Rule(do=ADMINS | OTHER, data={"id": "{dkim}", "step": "anyway"}),
    "web:parameters": Rule(see=HOUSE),
    "web:set_parameter": Rule(do=HOUSE, args={"key": "mail.retry.days"}, data={"value": "5"}),
    "web:templates": Rule(see=ADMINS | OTHER),
    "web:template_new": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:template": Rule(see=ADMINS, do=ADMINS),
    "web:template_remove": Rule(do=ADMINS),
    "web:template_file": Rule(see=ADMINS),
    "web:template_preview": Rule(do=ADMINS | OTHER),
    "web:rules": Rule(see=ADMINS | OTHER),
    "web:rule_new": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER),
    "web:rule": Rule(see=ADMINS, do=ADMINS),
    "web:rule_switch": Rule(do=ADMINS, data={"on": "0"}),
    "web:rule_try": Rule(do=ADMINS | OTHER, data={"record": "{record}"}),
    "web:rule_remove": Rule(do=ADMINS),
    "web:actions": Rule(see=HOUSE),
    "web:action": Rule(see=HOUSE, do=HOUSE, args={"key": "queue_manager"}),
    "web:run": Rule(do=HOUSE, args={"key": "queue_manager"}),
    "web:audit": Rule(see=ADMINS | OTHER),
    "web:changes": Rule(see=ADMINS | OTHER),
    # the first run; its own link is dead as soon as somebody is there
    "web:welcome": Rule(see=ADMINS | OTHER),
    "web:welcome_begin": Rule(args={"token": "{first_link}"}),
    "web:welcome_step": Rule(see=ADMINS | OTHER, do=ADMINS | OTHER, args={"name": "outgoing"}),
    "web:welcome_find": Rule(see=ADMINS | OTHER),
    "web:welcome_use": Rule(),  # nothing was entered that could be used; see tests/web/test_welcome_pages.py
    "web:welcome_capture": Rule(do=HOUSE),
    # an invitation: who has the link is that person
    "web:join": Rule(see=PUBLIC, do=PUBLIC, args={"uid": "{join_uid}", "token": "{join_token}"}),
    # live
    "web:live": Rule(see=OWN, args={"topic": "record"}),
    # the shell
    "admin:index": Rule(see=ALL),
    "admin:login": Rule(see=PUBLIC, do=PUBLIC),
    "admin:logout": Rule(do=PUBLIC),
    "admin:password_change": Rule(see=ALL, do=ALL),
    "admin:password_change_done": Rule(see=ALL),
    "admin:search": Rule(see=ALL, do=ALL),
    "admin:jsi18n": Rule(see=PUBLIC),
    # signing in (see web/signing/urls.py); codes are for those who have a second factor
    "favicon": Rule(see=PUBLIC),
    "account_login": Rule(see=PUBLIC, do=PUBLIC),
    "mfa_authenticate": Rule(see=PUBLIC, do=PUBLIC),
    "admin_password_reset": Rule(see=PUBLIC, do=PUBLIC),
    "new_password": Rule(see=PUBLIC, do=PUBLIC, args={"uidb64": "x", "token": "y"}),
    "mfa_index": Rule(see=ALL),
    "sign_out_everywhere": Rule(do=ALL),
    "account_reauthenticate": Rule(see=ALL, do=ALL),
    "mfa_reauthenticate": Rule(see=ALL, do=ALL),
    "mfa_activate_totp": Rule(see=ALL, do=ALL),
    "mfa_deactivate_totp": Rule(),
    "mfa_view_recovery_codes": Rule(),
    "mfa_generate_recovery_codes": Rule(see=ALL, do=ALL),
    "mfa_download_recovery_codes": Rule(),
    # doors for providers' programs: the token in the address is the key
    "hook": Rule(args={"provider": "mailgun", "token": "none"}),
    "ingress": Rule(args={"provider": "mailgun", "token": "none"}),
}

NUMBERS = {  # the row that an argument of this name means
    "record_id": "record",
    "message_id": "message",
    "template_id": "template",
    "rule_id": "rule",
    "file_id": "file",
    "scheduled_id": "scheduled",
    "attachment_id": "attachment",
    "delivery_id": "delivery",
    "change_id": "change",
    "inbound_id": "held",
    "letter_id": "letter",
    "health_id": "address",
    "alarm_id": "alarm",
    "server_id": "server",
    "hook_id": "hook",
    "contact_id": "contact",
    "activity_id": "activity",
    "view_id": "view",
    "member_id": "person",
    "trial_id": "trial",
    "test_id": "mail_test",
    "proposal_id": "proposal",
}
