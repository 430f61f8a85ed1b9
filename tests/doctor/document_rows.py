"""What people are told about failing mail, row by row, in our own words: each row with what proves that its cause and its cure are given.

The rows are those of four guides for administrators of mail that belongs to business records: one about bounces, one about setting up,
the questions and answers of a manual, and its page on servers. A row is proven by faults of the laboratory (the doctor names the cause;
``words`` stand in its cure), by an error text that is explained, or by a symptom whose walk begins with the row's own cause.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.core.diagnosis.symptoms import Symptom

# How many rows each table of each guide has.
TABLES = {
    "bounces/messages": 8, "bounces/fixes": 7, "bounces/codes": 5, "setting up/troubles": 8, "setting up/advice": 4,
    "questions/outgoing": 5, "questions/timing": 3, "questions/incoming": 2, "servers/advice": 8,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Row:
    """``faults``: names of the laboratory. ``text``: an error, explained as ``code``. ``words`` stand in the cure. ``look``: the first."""

    table: str
    number: int
    says: str
    faults: tuple[str, ...] = ()
    text: str = ""
    code: str = ""
    words: tuple[str, ...] = ()
    symptom: Symptom | None = None
    look: str = ""

    @property
    def id(self) -> str:
        return f"{self.table} {self.number}"


def row(
    place: str,
    says: str,
    *faults: str,
    text: str = "",
    code: str = "",
    words: str = "",
    symptom: Symptom | None = None,
    look: str = "",
) -> Row:
    """``words`` separated by bars."""
    table, _, number = place.rpartition(" ")
    return Row(
        table=table, number=int(number), says=says, faults=faults, text=text, code=code,
        words=tuple(filter(None, words.split("|"))), symptom=symptom, look=look,
    )  # fmt: skip


ROWS = (
    row("bounces/messages 1", "a mail failed, and the log says no more", text="WARNING mail: Mail delivery failed", code="delivery_failed", words="envelope|Delivery Failed|SPF and DKIM"),
    row("bounces/messages 2", "the recipient's account does not exist", "550 5.1.1 no such user", text="smtplib.SMTPRecipientsRefused: {'carla@customer.example': (550, b'5.1.1 The email account does not exist')}", code="user_unknown", words="spelling"),
    row("bounces/messages 3", "user name and password are not accepted", "wrong password", text="smtplib.SMTPAuthenticationError: (535, b'5.7.8 Username and Password not accepted')", code="login_refused", words="app password"),
    row("bounces/messages 4", "the sender's domain does not exist", "sender's domain unknown", text="smtplib.SMTPSenderRefused: (553, b'5.1.8 Domain of sender address does not exist')", code="sender_domain", words="email_from"),
    row("bounces/messages 5", "nobody listens at the outgoing server", "relay refuses the connection", text="ConnectionRefusedError: [Errno 111] Connection refused", code="refused", words="587|465|firewall"),
    row("bounces/messages 6", "a mailbox could not be fetched from, and the log says no more", text="ERROR fetchmail: Failed to fetch mail from support@northwind.example", code="fetching_failed", words="Test & Confirm|password|IMAP"),
    row("bounces/messages 7", "the mailbox does not accept the login", "mailbox refuses the password", text="imaplib.IMAP4.error: [AUTHENTICATIONFAILED] Invalid credentials", code="mailbox_login_refused", words="app password|IMAP"),
    row("bounces/messages 8", "a bounce came back for a mail of ours", text="WARNING mail: Bounce received for message-id: <1@northwind.example>", code="bounce_came", words="envelope"),
    row("bounces/fixes 1", "providers want app passwords, and SMTP switched on", "Gmail wants an app password", "Microsoft has SMTP AUTH off", words="app password|2-Step Verification|Authenticated SMTP"),
    row("bounces/fixes 2", "SPF, DKIM and DMARC must be published", "no SPF record", "SPF lacks Google's include", "DKIM record missing", "Google does not sign for us", "DMARC missing", words="v=spf1|include:_spf.google.com|v=DKIM1|v=DMARC1"),
    row("bounces/fixes 3", "bounces and replies need addresses that come back to us", "no alias domain", "bounce address is an alias", "MX leads to strangers", words="mail.catchall.domain|mail.bounce.alias|mailbox"),
    row("bounces/fixes 4", "the From must be one that the login may send as", "sender not owned by the login", "default From of a stranger", words="mail.default.from"),
    row("bounces/fixes 5", "incoming mail must be fetched, tested and confirmed", "mailbox never confirmed", "no way in", words="confirm|mailbox"),
    row("bounces/fixes 6", "IMAP must be switched on at the provider", "IMAP is switched off at the provider", words="Switch it on"),
    row("bounces/fixes 7", "the scheduled action that fetches must be on", "fetching is switched off", "no scheduler", words="Switch it on|scheduler"),
    row("bounces/codes 1", "550 5.1.1: no such recipient", "550 5.1.1 no such user", text="550 5.1.1", code="user_unknown", words="spelling"),
    row("bounces/codes 2", "553 5.1.8: no such domain of the sender", "sender's domain unknown", text="553 5.1.8", code="sender_domain", words="email_from"),
    row("bounces/codes 3", "554 5.7.1: refused by policy", "554 5.7.1 on a blocklist", text="554 5.7.1", code="policy", words="SPF, DKIM and DMARC"),
    row("bounces/codes 4", "452 4.2.2: the mailbox is full", "452 4.2.2 over quota", text="452 4.2.2", code="mailbox_full", words="tell the person another way"),
    row("bounces/codes 5", "421 4.7.0: too much within a short time", "421 4.7.0 rate limited", text="421 4.7.0", code="rate_limited", words="more slowly|limits"),
    row("setting up/troubles 1", "nothing is sent: the login is wrong", "wrong password", symptom=Symptom.NOT_SENDING, look="login", words="password"),
    row("setting up/troubles 2", "mail lands in spam: SPF, DKIM or DMARC is missing", "no SPF record", "no DKIM key", "DMARC missing", symptom=Symptom.SPAM, look="spf", words="v=spf1|postroom dkim create|v=DMARC1"),
    row("setting up/troubles 3", "connection refused: a firewall, or the wrong port", "relay refuses the connection", symptom=Symptom.CONNECTION_REFUSED, look="connection", text="Connection refused", code="refused", words="587|465|firewall"),
    row("setting up/troubles 4", "authentication failed: an ordinary password was used", "Gmail wants an app password", symptom=Symptom.AUTHENTICATION_FAILED, look="login", text="Authentication failed", code="login_failed", words="app password|2-Step Verification|OAuth2"),
    row("setting up/troubles 5", "replies do not thread: no catchall domain", "no alias domain", symptom=Symptom.NO_REPLIES, look="catchall", words="mail.catchall.domain"),
    row("setting up/troubles 6", "mails come twice: several outgoing servers", "two servers with one filter", symptom=Symptom.DUPLICATES, look="same_filter", words="Keep one"),
    row("setting up/troubles 7", "mails stay queued: the scheduled action is off", "queue manager is off", symptom=Symptom.QUEUED, look="queue_action", words="Switch it on"),
    row("setting up/troubles 8", "the daily limit is reached", "daily limit reached", "Gmail for production", symptom=Symptom.DAILY_LIMIT, look="limits", text="Daily limit reached", code="daily_limit", words="Raise the limit|Amazon SES|another server"),
    row("setting up/advice 1", "a service for many mails, and not Gmail", "Gmail for production", words="Amazon SES|Mailgun"),
    row("setting up/advice 2", "SPF, DKIM and DMARC", "no SPF record", "DKIM record missing", "DMARC missing", words="v=spf1|v=DKIM1|v=DMARC1"),
    row("setting up/advice 3", "a real address as the house's sender", "no default From", "default From of a domain that does not exist", words="mail.default.from|spelling"),
    row("setting up/advice 4", "watch the queue for what failed", "failures after a change", "nobody takes what is due", words="Delivery Failed|deliverer"),
    row("questions/outgoing 1", "the administrator's address is a placeholder", "administrator with a placeholder", words="real address"),
    row("questions/outgoing 2", "a failed delivery shows its reason, and can be tried again", "outcomes nobody knows", text="Mail delivery failed via SMTP server 'None'.", code="delivery_failed", words="Decide|envelope"),
    row("questions/outgoing 3", "the daily limit: ask for more, use another server, tell colleagues in the app, or wait", "daily limit reached", text="Daily limit reached", code="daily_limit", words="Raise the limit|tomorrow|another server|in the app"),
    row("questions/outgoing 4", "550: the provider does not know the From as a verified sender", "sender identity not verified", text="SMTPDataError: 550 The from address does not match a verified Sender Identity.", code="sender_identity", words="Verify the address|default From"),
    row("questions/outgoing 5", "no error is shown: SPF or DKIM", "no SPF record", "DKIM record missing", symptom=Symptom.NO_ERROR, look="spf", words="v=spf1|v=DKIM1"),
    row("questions/timing 1", "what is not urgent leaves with the scheduled action", "queue manager is off", words="Switch it on"),
    row("questions/timing 2", "an action that runs too seldom, or not to its end", "an action is late", "an action fails again and again", words="postroom schedule run|by hand"),
    row("questions/timing 3", "what stands first keeps the rest waiting", "circuit open, mail waits", "server paused, mail waits", words="Resume"),
    row("questions/incoming 1", "the sender gets a 550: mailbox unavailable", text="550: mailbox unavailable", code="no_mailbox", words="spelling"),
    row("questions/incoming 2", "mail is not received, and nothing says why", "mailbox refuses the password", "no MX", "mail that breaks the router", symptom=Symptom.NOT_RECEIVING, look="mailbox_login", words="password|MX record|route them again"),
    row("servers/advice 1", "port 25 is blocked: 465, 587 or 2525", "port 25 is blocked", words="587|465|2525"),
    row("servers/advice 2", "a From of another domain is refused", "default From of a stranger", words="mail.default.from"),
    row("servers/advice 3", "a FROM filter is domains and addresses", "filter with a wildcard", words="wildcards"),
    row("servers/advice 4", "no server may send as this From", "no outgoing server", "the named server is archived", words="Set one up|active again"),
    row("servers/advice 5", "SPF must name every server that sends", "SPF forgets the second server", words="a:bulk.northwind.example"),
    row("servers/advice 6", "who changes an alias loses the replies to the old one", "a given-up alias is written to", words="new address"),
    row("servers/advice 7", "every address that comes back needs a mailbox that is fetched", "no way in", "mailbox unread for hours", words="mailbox|Fetchmail"),
    row("servers/advice 8", "loops are held back, and somebody should look", "an alarm that nobody answered", words="alarm list"),
)  # fmt: skip
