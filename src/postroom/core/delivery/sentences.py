"""Why a mail leaves through this server and with this sender, and why it waits: the sentences of the delivery room (law 4)."""

from __future__ import annotations

from postroom.core.terms.reasons import catalogue

catalogue(
    {
        # which server
        "server.forced": "The mail names the server {server}.",
        "server.exact_from": "The filter of {server} names the address {sender}.",
        "server.domain_of_from": "The filter of {server} names the domain {domain}.",
        "server.without_filter": "{server} has no filter: it takes every sender.",
        "server.exact_default": "The filter of {server} names the default From {sender}.",
        "server.domain_of_default": "The filter of {server} names {domain}, the domain of the default From.",
        "server.first": "No filter names {sender}; {server} is the first by priority.",
        "server.configured": "No server of the database applies: the one of the configuration is used.",
        "server.capture": "All mail is captured: it goes to the Letterbox and does not leave.",
        "server.skipped_paused": "{server} would come first, but it is paused.",
        "server.skipped_broken": "{server} would come first, but it was in trouble: {trouble}",
        # why it waits
        "wait.paused": "The server {server} is paused.",
        "wait.broken": "The server {server} is in trouble: {trouble}",
        "wait.no_server": "There is no outgoing server for this mail.",
        "wait.archived": "The server {server}, which the mail names, is archived.",
        "wait.secret": "The password of {server} cannot be read: enter it again.",
        "wait.transient": "The server said: {reply}",
        "wait.connection": "The connection broke: {trouble}",
        "wait.our_fault": "Postroom could not compose it ({error}): this is a bug of ours, see the log.",
        "wait.resend": "Its outcome was hidden by a crash; the rule is to send such mail again.",
        # with which sender
        "from.kept": "The From {sender} is sent as written.",
        "from.kept_filter": "The filter of {server} allows the From {sender}: sent as written.",
        "from.kept_own": "{domain} is a domain of ours: the From {sender} is sent as written.",
        "from.kept_forced": "The mail names its server: the From {sender} is sent as written.",
        "from.kept_no_default": "There is no default From: the From {sender} is sent as written.",
        "from.rewritten": "{server} may not send as {sender}: the From is {rewritten}, with the author's name.",
        "from.filled": "The mail has no From: {rewritten} is used.",
        "return.signed": "Reports come back to {address}, an address signed for this delivery.",
        "return.plain": "Reports come back to {address}.",
        "return.login": "{server} insists on the login {address} as the envelope sender.",
        "return.no_plus": "Reports come back to {address}: addresses with a plus sign do not arrive at {domain}.",
        "return.filter": "The filter of {server} forbids {refused} as the envelope sender: it is {address}.",
        "return.from": "No domain for reports is known: the envelope sender is {address}.",
        "return.null": "An automatic mail: the envelope sender is empty, nobody hears when it fails.",
        # why it cannot leave, or how it ended
        "mail.no_from": "The mail has no From, and there is no default From.",
        "mail.bad_from": "The From {sender} is no mail address.",
        "mail.no_recipient": "The recipient has no mail address.",
        "mail.bad_recipient": "{recipient} is no mail address.",
        "mail.too_large": "The mail has {size} bytes; {server} takes {limit} at most.",
        "mail.no_content": "The content of the mail is gone.",
        "outcome.captured": "Captured in the Letterbox.",
        "outcome.refused": "The server said: {reply}",
        "outcome.given_up": "Given up after the deadline. Last: {last}",
        "outcome.unknown": "The connection broke after the whole mail was sent and before the reply: {trouble}",
        "outcome.crashed": "The worker died between the end of the mail and the server's reply.",
        "outcome.lease": "The machine that sent it is gone, and what it knew of it: the mail may have left or not.",
        # what a person may not do
        "queue.gone": "This delivery is not there any more.",
        "queue.sending": "It is on its way out at this moment.",
        "queue.sent": "It was sent already.",
        "queue.cancelled": "It is cancelled already.",
        "queue.waiting": "It waits already.",
        "queue.ended": "It has ended: {state}.",
        "queue.unknown": "Nobody knows whether it arrived: decide that among the unknown outcomes.",
        "queue.not_unknown": "Its outcome is not unknown: {state}.",
        "queue.no_content": "Its text is gone: it cannot be sent again.",
        # what a person decided about an unknown outcome
        "unknown.arrived": "{who} noted that it arrived.",
        "unknown.sent_again": "{who} had it sent again, as a new delivery.",
        "unknown.given_up": "{who} gave it up: nobody knows whether it arrived.",
        # taking back what was written
        "undo.gone": "This message is not there any more.",
        "undo.not_author": "Only who wrote it can take it back.",
        "undo.too_late": "It is too late to take it back: its time is over.",
        "undo.on_the_way": "It is too late to take it back: it is on its way.",
    }
)
