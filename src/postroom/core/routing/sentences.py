"""Why a mail went where it went: the sentences of the routing room (law 4). Codes are stored; sentences may improve."""

from __future__ import annotations

from postroom.core.terms.reasons import catalogue

catalogue(
    {
        # is the recipient ours?
        "recipient.bounce_token": "{recipient} is a signed return path of ours.",
        "recipient.reply_token": "{recipient} is a signed reply address of ours.",
        "recipient.bounce": "{recipient} is the bounce address of {domain}.",
        "recipient.catchall": "{recipient} is the catchall address of {domain}.",
        "recipient.alias": "{recipient} is the alias {alias}.",
        "recipient.alias_retired": "{recipient} is the alias {alias}, given up but still answered to.",
        "recipient.alias_local": "{recipient} is taken for the alias {alias}, which matches by what stands before the @.",
        "recipient.duty": "{recipient} is an address that every mail server must accept (RFC 5321 4.5.1).",
        "recipient.unknown": "Nobody is called {recipient} here.",
        "recipient.foreign": "{domain} is none of our domains: we do not take mail for {recipient}.",
        "recipient.no_address": "{recipient} is no mail address.",
        # seen before, and reports
        "seen.routed": "The same mail for the same recipients was routed already (inbound mail {inbound}).",
        "seen.on_target": "This Message-ID {message_id} is already where the mail would go.",
        "report.bounce": "It is a delivery report: not delivered to {addresses}.",
        "report.delayed": "It is a delivery report: delayed for {addresses}; the server that wrote it goes on trying.",
        "report.receipt": "It is a delivery report: taken for {addresses}.",
        "report.complaint": "It is a complaint: {addresses} called the mail unwanted.",
        "report.mdn": "It is a read receipt: it says nothing about delivery.",
        "report.notice": "It is a feedback report that blames nobody.",
        "report.by_token": "It came back to the signed return path of delivery {deliveries}.",
        "report.by_message_id": "It quotes our Message-ID {message_id} and names the recipient of delivery {deliveries}.",
        "report.of_nothing": "It proves to speak of no delivery of ours.",
        "report.unreadable": "It came back to the signed return path {recipient}, but says nothing that we can read.",
        "report.from_daemon": "{author} is a mail server speaking, but its mail is no report that we can read.",
        "bounce_address.plain": "It was written to the bounce address {recipient}, where only reports are read.",
        # our own, automatic
        "own.marked": "It bears the mark of this installation: our own mail came back.",
        "own.message_id": "Message-ID {message_id} is of a mail that we sent: it came back.",
        "auto_reply.attached": "It is an automatic reply: kept with message {message}, nobody is notified.",
        "auto_reply.of_nothing": "It is an automatic reply to no message that we know.",
        # where it goes
        "forward.other_kind": "It refers to message {message} of kind {kind}, but was written to {recipient} for another: so it starts anew.",
        "reply.token": "It was written to the signed reply address of message {message}.",
        "reply.reference": "It refers to {identifier}, which is message {message}.",
        "reply.alias_same_kind": "{recipient} is an alias of the same kind, so the reply stays with its record.",
        "reply.note": "The message that it answers is a note, so it stays a note.",
        "reply.unverified": "{author} has no known part in this record: posted as unverified.",
        "alias.takes": "{recipient} is the alias {alias}, which makes a record of kind {kind}.",
        "alias.forced": "{recipient} is the alias {alias}, which puts every mail on record {record}.",
        "policy.everyone": "Everyone may write to {alias}.",
        "policy.known_contacts": "Known contacts may write to {alias}, and {author} is one.",
        "policy.followers": "Followers may write to {alias}, and {author} follows record {record}.",
        "policy.colleagues": "Colleagues may write to {alias}, and {author} is one.",
        "policy.no_known_contact": "Only known contacts may write to {alias}; {author} is none.",
        "policy.no_follower": "Only followers of record {record} may write to {alias}; {author} is none.",
        "policy.no_colleague": "Only colleagues may write to {alias}; {author} is none.",
        "policy.no_owner": "Only followers may write to {alias}, but there is no record they could follow: the alias needs an owner.",
        "fallback.kind": "No alias takes it; its mailbox makes records of kind {kind}.",
        "catchall.only": "It was written to {recipient} alone, which is for replies.",
        "catchall.among": "No alias takes it, and {recipient} is for replies.",
        "nobody.duty": "{recipient} is a duty address without an alias: a person reads it.",
        "nobody.gone": "{recipient} is ours, but what it stood for is gone: a person decides.",
        "nobody.known": "None of its recipients is known here: {recipients}.",
        "nobody.named": "It names no recipient.",
        # loops
        "loop.alias_author": "{author} has written {count} mails to {alias} within the window; the limit is {limit}.",
        "loop.alias_all": "{alias} has made {count} records within the window; the limit is {limit}.",
        "loop.fallback": "{author} has made {count} records of kind {kind} within the window; the limit is {limit}.",
        "loop.replies": "{author} has written {count} mails to record {record} within the window; the limit is {limit}.",
        "loop.similar": "{author} has sent {count} mails of nearly the same words within the window; the limit is {limit}.",
        "loop.record_all": "Record {record} has taken {count} mails within the window; the limit is {limit}.",
        "loop.rounds": "{author} has answered our automatic mail {count} times with nearly the same words: that is a machine; the limit is {limit}.",
        "loop.echo": "Words that we sent come back to record {record} from {author}, for the third time or more: somewhere our mail is sent back.",
        "loop.refusals": "{author} was refused {count} times today and goes on writing; the limit is {limit}.",
        "loop.marks": "{count} installations like this one have passed the mail on; the limit is {limit}.",
        "catchall.seen": "The same mail came to the catchall before, for other recipients (inbound mail {inbound}).",
    }
)
