"""The table of faults: what is broken, what the doctor must name first, and words of the cure. A line for each.

`Fault.breaks` breaks a healthy ward. ``code`` is the finding that must stand first; ``detail`` its case; ``cures`` words that stand in
its cure or among the records that it prints; ``beside``: findings that may stand beside it, because the fault is two faults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from postroom.core.terms.mailboxes import MailboxTrouble, TroubleKind
from postroom.core.terms.states import InboundState
from postroom.core.terms.steps import Step
from postroom.store.models import (
    Alarm,
    Alias,
    AliasDomain,
    Contact,
    DkimKey,
    InboundHook,
    InboundMessage,
    Installation,
    Mailbox,
    OutgoingServer,
    Parameter,
    QueueSample,
    RawMail,
    ScheduledAction,
    SendingGate,
    SettingChange,
)
from tests.doctor.ward import DOMAIN, RELAY, RELAY_IP, Ward


@dataclass(frozen=True, kw_only=True)
class Fault:
    """See the module."""

    name: str
    breaks: Callable[[Ward], object]
    code: str
    cures: tuple[str, ...] = ()
    detail: str = ""
    beside: frozenset[str] = frozenset()
    is_slow: bool = False  # real processes take part


def fault(
    name: str,
    breaks: Callable[[Ward], object],
    code: str,
    *cures: str,
    detail: str = "",
    beside: str = "",
    is_slow: bool = False,
) -> Fault:
    return Fault(
        name=name,
        breaks=breaks,
        code=code,
        cures=cures,
        detail=detail,
        beside=frozenset(beside.split()),
        is_slow=is_slow,
    )


def inbound(ward: Ward, state: InboundState, *, minutes: int = 0, error: str = "", to: str = "") -> None:
    at = ward.now - timedelta(minutes=minutes)
    InboundMessage.objects.create(
        company=ward.house.company, door="smtp", size=100, state=state, due_at=at, received_at=at, error=error,
        rcpt_to=[to or f"support@{DOMAIN}"],
    )  # fmt: skip


def waits(ward: Ward, code: str, count: int = 3, **facts: str) -> None:
    ward.queued(count, state="deferred", waits_for={"code": code, "facts": facts}, held_since=ward.now - timedelta(hours=1),
                server=ward.server)  # fmt: skip


def mailbox_says(ward: Ward, kind: TroubleKind, text: str, code: str = "") -> None:
    """The next look at the mailbox fails so; the last good one is a while ago."""
    ward.set_mailbox(succeeded_at=ward.now - timedelta(minutes=30), last_error=text)
    ward.box.trouble["open"] = MailboxTrouble(kind, text, code)


def eleven_lookups(ward: Ward) -> None:
    ward.spf(f"v=spf1 a:{RELAY} include:one.example include:two.example ~all")
    for number, name in enumerate(("one.example", "two.example")):
        hosts = [f"h{number}{place}.example" for place in range(5)]
        ward.dns.put(name, "TXT", "v=spf1 " + " ".join(f"a:{host}" for host in hosts) + " ~all")
        for host in hosts:
            ward.dns.put(host, "A", "198.51.100.7")


def nested_lookups(ward: Ward) -> None:
    """Eleven includes, one in the other."""
    ward.spf(f"v=spf1 a:{RELAY} include:n0.example ~all")
    for number in range(11):
        ward.dns.put(f"n{number}.example", "TXT", f"v=spf1 include:n{number + 1}.example ~all")
    ward.dns.put("n11.example", "TXT", "v=spf1 ip4:198.51.100.7 ~all")


def second_server(ward: Ward, **values: object) -> OutgoingServer:
    return OutgoingServer.objects.create(
        **{"name": "Second", "host": RELAY, "port": 587, "from_filter": DOMAIN, "priority": 10, **values}
    )


def without_domain(ward: Ward) -> None:
    Alias.objects.all().delete()
    ward.house.company.alias_domain = None
    ward.house.company.save()
    AliasDomain.objects.all().delete()
    Parameter.objects.filter(key="mail.catchall.domain").delete()


def other_secret_key(ward: Ward) -> None:
    """As after a restore without the key file."""
    from postroom.adapters.vault import FernetVault
    from postroom.core.terms.secret import Secret

    stranger = FernetVault(lambda: (Secret("quite another key than before, and long enough"),))
    sealed = stranger.seal("correct horse")
    ward.set_server(secret=sealed)
    ward.set_mailbox(secret=sealed)
    DkimKey.objects.update(private_key=sealed)


def unaligned(ward: Ward) -> None:
    """The login of another domain is the return path, and nobody signs."""
    DkimKey.objects.all().delete()
    ward.set_server(envelope_sender="login", username="post@hosting.example", signs_dkim=False)


def gmail(ward: Ward) -> None:
    ward.set_server(
        preset="gmail", host="smtp.gmail.com", username=f"post@{DOMAIN}", envelope_sender="login", signs_dkim=False
    )
    ward.spf("v=spf1 include:_spf.google.com ~all")
    ward.dns.put("_spf.google.com", "TXT", "v=spf1 ip4:198.51.100.0/24 ~all")
    ward.dns.put(f"google._domainkey.{DOMAIN}", "TXT", ward.record_of_key)
    DkimKey.objects.all().delete()


def gmail_without_include(ward: Ward) -> None:
    gmail(ward)
    ward.spf("v=spf1 mx ~all")


def much_through_gmail(ward: Ward) -> None:
    gmail(ward)
    ward.traffic(1, sent=450)


def failures_after_a_change(ward: Ward) -> None:
    for hour in (6, 5, 4):
        ward.traffic(hour, sent=20)
    for hour in (2, 1):
        ward.traffic(hour, sent=1, failed=30)
    SettingChange.objects.create(
        changed_at=ward.now - timedelta(hours=3),
        subject="parameter mail.default.from",
        before={"value": "a"},
        after={"value": "b"},
    )


def broken_right_after_a_change(ward: Ward) -> None:
    ward.relay_says(Step.CONNECT, trouble="connection refused")
    SettingChange.objects.create(
        changed_at=ward.now - timedelta(minutes=20),
        subject="outgoing server Relay",
        before={"port": 587},
        after={"port": 588},
    )


def silence(ward: Ward) -> None:
    """Forty mails a week for weeks, never a day apart, and then none for a month."""
    last = ward.now - timedelta(days=20)
    week = int(last.timestamp()) // (7 * 86_400)
    habit = {str(week - back): [40, 80_000] for back in range(1, 5)}
    ward.set_mailbox(habit=habit, last_message_at=last)


DNS = (
    fault("no SPF record", lambda w: w.spf("hello=1"), "spf_missing", "v=spf1", "a:relay.northwind.example"),
    fault("two SPF records", lambda w: w.spf(f"v=spf1 a:{RELAY} -all", "v=spf1 include:two.example ~all"), "spf_several", f"v=spf1 a:{RELAY} include:two.example ~all"),
    fault("SPF with a typing error", lambda w: w.spf(f"v=spf1 a:{RELAY} ip4:300.1.2.3 -all"), "spf_syntax", "v=spf1"),
    fault("SPF without its version", lambda w: w.spf(f"spf1 a:{RELAY} -all"), "spf_syntax", "v=spf1"),
    fault("SPF with twelve look-ups", eleven_lookups, "spf_lookups", "Take out the includes"),
    fault("SPF with nested includes", nested_lookups, "spf_lookups", "Take out the includes"),
    fault("SPF includes nobody", lambda w: w.spf(f"v=spf1 include:gone.example a:{RELAY} -all"), "spf_include", f"v=spf1 a:{RELAY} -all"),
    fault("SPF names hosts that are gone", lambda w: w.spf(f"v=spf1 a:x.gone.example a:y.gone.example a:z.gone.example a:{RELAY} -all"), "spf_voids", "x.gone.example"),
    fault("SPF does not name our relay", lambda w: w.spf("v=spf1 ip4:198.51.100.1 -all"), "spf_server", f"a:{RELAY}"),
    fault("SPF lacks Google's include", gmail_without_include, "spf_server", "include:_spf.google.com"),
    fault("SPF forgets the second server", lambda w: (second_server(w, name="Bulk", host="bulk.northwind.example", priority=20), w.dns.put("bulk.northwind.example", "A", "192.0.2.26"), w.dns.put("26.2.0.192.in-addr.arpa", "PTR", "bulk.northwind.example.")), "spf_server", "a:bulk.northwind.example"),
    fault("SPF allows everybody", lambda w: w.spf("v=spf1 +all"), "spf_anybody", "~all"),
    fault("SPF uses ptr", lambda w: w.spf(f"v=spf1 ptr a:{RELAY} -all"), "spf_ptr", "ip4:"),
    fault("no DKIM key", lambda _: DkimKey.objects.all().delete(), "dkim_no_key", "postroom dkim create"),
    fault("DKIM record missing", lambda w: w.dns.remove(f"{w.key.selector}._domainkey.{DOMAIN}"), "dkim_missing", "v=DKIM1; k=rsa; p="),
    fault("DKIM key of somebody else", lambda w: w.dkim("v=DKIM1; k=rsa; p=" + "A" * 40), "dkim_mismatch", "v=DKIM1; k=rsa; p="),
    fault("DKIM key withdrawn", lambda w: w.dkim("v=DKIM1; p="), "dkim_revoked", "v=DKIM1"),
    fault("DKIM record twice", lambda w: w.dkim(w.record_of_key, "v=DKIM1; p=AAAA"), "dkim_several", "Delete all but"),
    fault("DKIM record without p=", lambda w: w.dkim("v=DKIM1; k=rsa"), "dkim_syntax", "p="),
    fault("DKIM record that is prose", lambda w: w.dkim("please fill in later"), "dkim_syntax", "p="),
    fault("Google does not sign for us", lambda w: (gmail(w), w.dns.remove(f"google._domainkey.{DOMAIN}")), "dkim_provider", "Switch on DKIM"),
    fault("private DKIM key cannot be opened", lambda _: DkimKey.objects.update(private_key=b"not sealed by us"), "dkim_key_secret", "secret key"),
    fault("default From of a domain that does not exist", lambda w: (w.set_server(from_filter=""), AliasDomain.objects.update(default_from="news@nortwhind-typo.com")), "domain_unknown", "spelling"),
    fault("DMARC missing", lambda w: w.dns.remove(f"_dmarc.{DOMAIN}"), "dmarc_missing", "v=DMARC1; p=none"),
    fault("two DMARC records", lambda w: w.dmarc("v=DMARC1; p=none", "v=DMARC1; p=reject"), "dmarc_several", "Leave one"),
    fault("DMARC without a policy", lambda w: w.dmarc("v=DMARC1; rua=mailto:a@northwind.example"), "dmarc_syntax", "p=none"),
    fault("DMARC with an unknown policy", lambda w: w.dmarc("v=DMARC1; p=block"), "dmarc_syntax", "p=none"),
    fault("DMARC in wrong letters", lambda w: w.dmarc("v=dmarc1; p=none"), "dmarc_syntax", "v=DMARC1"),
    fault("DMARC reports to a stranger", lambda w: w.dmarc("v=DMARC1; p=reject; rua=mailto:x@reports.example"), "dmarc_reports", f"{DOMAIN}._report._dmarc.reports.example"),
    fault("DMARC without alignment", unaligned, "dmarc_alignment", "DKIM key"),
    fault("no MX", lambda w: w.dns.remove(DOMAIN, "MX"), "mx_missing", "MX record"),
    fault("null MX", lambda w: w.dns.replace(DOMAIN, "MX", "0 ."), "mx_null", "MX record"),
    fault("MX is a CNAME", lambda w: (w.dns.replace("mx.northwind.example", "CNAME", "real.northwind.example."), w.dns.remove("mx.northwind.example", "A"), w.dns.put("real.northwind.example", "A", "192.0.2.10")), "mx_alias", "real.northwind.example"),
    fault("MX without address", lambda w: w.dns.remove("mx.northwind.example"), "mx_wrong", "address"),
    fault("MX leads to strangers", lambda w: (w.dns.replace(DOMAIN, "MX", "10 mx.parking.example."), w.dns.put("mx.parking.example", "A", "203.0.113.9")), "mx_elsewhere", "mailbox"),
    fault("relay without a name", lambda w: w.dns.remove("25.2.0.192.in-addr.arpa"), "ptr_missing", "PTR"),
    fault("relay with a foreign name", lambda w: w.dns.replace("25.2.0.192.in-addr.arpa", "PTR", "dsl-25.provider.example."), "ptr_mismatch", "PTR"),
    fault("MTA-STS without a policy host", lambda w: w.dns.put(f"_mta-sts.{DOMAIN}", "TXT", "v=STSv1; id=20260101"), "mta_sts_broken", "mta-sts."),
    fault("TLS-RPT without an address", lambda w: w.dns.put(f"_smtp._tls.{DOMAIN}", "TXT", "v=TLSRPTv1"), "tls_rpt_broken", "rua="),
    fault("relay on a blocklist", lambda w: (Parameter.objects.create(key="doctor.blocklists", value="bl.example"), w.dns.put("25.2.0.192.bl.example", "A", "127.0.0.2")), "blocklisted", "taken off"),
)  # fmt: skip

SERVERS = (
    fault("relay refuses the connection", lambda w: w.relay_says(Step.CONNECT, trouble="connection refused"), "server_refuses", "587", "465", "firewall", detail="refused"),
    fault("relay's name does not resolve", lambda w: w.relay_says(Step.CONNECT, trouble="relay.northwind.example could not be resolved"), "server_refuses", detail="host_unknown"),
    fault("wrong password", lambda w: w.relay_says(Step.LOGIN, 535, "Username and Password not accepted", enhanced="5.7.8"), "server_refuses", "password", detail="login_refused"),
    fault("Gmail wants an app password", lambda w: w.relay_says(Step.LOGIN, 534, "Application-specific password required", enhanced="5.7.9"), "server_refuses", "app password", "2-Step Verification", detail="gmail_app_password"),
    fault("Microsoft has SMTP AUTH off", lambda w: w.relay_says(Step.LOGIN, 535, "SmtpClientAuthentication is disabled for the Mailbox", enhanced="5.7.139"), "server_refuses", "Authenticated SMTP", detail="microsoft_smtp_auth"),
    fault("certificate expired", lambda w: w.relay_says(Step.TLS, trouble="the certificate was not accepted: certificate has expired"), "server_refuses", detail="certificate_expired"),
    fault("certificate of another host", lambda w: w.relay_says(Step.TLS, trouble="the certificate was not accepted: Hostname mismatch"), "server_refuses", detail="certificate_name"),
    fault("self-signed certificate", lambda w: w.relay_says(Step.TLS, trouble="the certificate was not accepted: self-signed certificate"), "server_refuses", detail="certificate_self_signed"),
    fault("port 25 is blocked", lambda w: (w.set_server(port=25, encryption="none", username=""), w.relay_says(Step.CONNECT, trouble="timed out")), "server_refuses", "587", "465", "2525", detail="port_25"),
    fault("STARTTLS is missing", lambda w: w.relay_says(Step.STARTTLS, trouble="the server does not offer STARTTLS"), "server_refuses", detail="starttls_missing"),
    fault("sender's domain unknown", lambda w: w.relay_says(Step.MAIL, 553, "Domain of sender address does not exist", enhanced="5.1.8"), "server_refuses", "email_from", detail="sender_domain"),
    fault("sender identity not verified", lambda w: w.relay_says(Step.MAIL, 550, "The from address does not match a verified Sender Identity"), "server_refuses", "Verify the address", detail="sender_identity"),
    fault("sender not owned by the login", lambda w: w.relay_says(Step.RCPT, 553, "Sender address rejected: not owned by user post", enhanced="5.7.1"), "server_refuses", detail="sender_not_owned"),
    fault("relaying denied", lambda w: w.relay_says(Step.RCPT, 554, "Relay access denied", enhanced="5.7.1"), "server_refuses", detail="relay_denied"),
    fault("too many connections", lambda w: w.relay_says(Step.GREETING, 421, "too many connections", enhanced="4.7.0"), "server_refuses", detail="too_many_connections"),
    fault("circuit open, mail waits", lambda w: (w.set_server(broken_until=w.now + timedelta(minutes=5), trouble="connection refused", trouble_count=4), w.relay_says(Step.CONNECT, trouble="connection refused"), waits(w, "wait.broken", server="Relay", trouble="connection refused")), "server_refuses", detail="refused"),
    fault("password of the server cannot be read", lambda w: w.set_server(secret=b"not sealed by us"), "server_secret", "again"),
    fault("server paused, mail waits", lambda w: (w.set_server(paused_at=w.now), waits(w, "wait.paused", server="Relay")), "server_paused", "Resume"),
    fault("daily limit reached", lambda w: (w.set_server(daily_limit=50), SendingGate.objects.create(server_number=w.server.pk, span="day", window_at=w.now.replace(hour=0, minute=0, second=0, microsecond=0), used=50, reached_at=w.now), waits(w, "wait.daily_limit", server="Relay", limit="50", until="midnight")), "server_limit", "Raise the limit"),
    fault("Gmail for production", much_through_gmail, "gmail_volume", "Amazon SES", "Mailgun"),
    fault("settings changed, then refused", broken_right_after_a_change, "server_refuses", detail="refused"),
)  # fmt: skip

HOUSE = (
    fault("no alias domain", without_domain, "catchall_missing", "mail.catchall.domain"),
    fault("catchall domain that is none", lambda _: Parameter.objects.filter(key="mail.catchall.domain").update(value="else.example"), "catchall_domain_unknown", "else.example"),
    fault("bounce address is an alias", lambda _: AliasDomain.objects.update(bounce_alias="support"), "bounce_alias_taken", "mail.bounce.alias"),
    fault("default From of a stranger", lambda _: AliasDomain.objects.update(default_from="news@gmail.com"), "default_from_foreign", "mail.default.from"),
    fault("no default From", lambda _: AliasDomain.objects.update(default_from=""), "default_from_missing", "mail.default.from"),
    fault("no outgoing server", lambda _: OutgoingServer.objects.all().delete(), "server_missing", "Set one up"),
    fault("archived servers alone, mail waits", lambda w: (w.set_server(is_active=False), waits(w, "wait.no_server")), "server_missing", "Set one up"),
    fault("two servers with one filter", second_server, "same_filter", "Keep one"),
    fault("filter with a wildcard", lambda w: w.set_server(from_filter=f"*@{DOMAIN}, {DOMAIN}"), "from_filter_invalid", "wildcards"),
    fault("administrator with a placeholder", lambda w: Contact.objects.filter(member=w.house.alice).update(address="admin@example.com"), "admin_placeholder", "real address"),
    fault("a copy of the database", lambda _: Installation.objects.update(found_elsewhere="staging 42/postroom"), "staging_lock", "confirm"),
    fault("no way in", lambda _: (Mailbox.objects.all().delete(), AliasDomain.objects.update(plus_addresses_arrive=None)), "no_way_in", "mailbox"),
)  # fmt: skip


def router_hangs(ward: Ward) -> None:
    """One of two is stopped by SIGSTOP, and two minutes go by."""
    stopped, other = ward.at_work("router", "router")
    stopped.freeze()
    other.was_seen(ago=5, steady_for=600)
    stopped.was_seen(ago=120)


MACHINE = (
    fault("nothing runs, mail is late", lambda w: (w.staff.clear(), setattr(w, "machine", dataclasses.replace(w.machine, runs_here=False)), w.queued(2)), "not_running", "postroom up"),
    fault("no deliverer", lambda w: (w.staff.pop("deliverer"), w.queued(2)), "role_missing", "deliverer", detail="deliverer"),
    fault("no router", lambda w: (w.staff.pop("router"), inbound(w, InboundState.RECEIVED, minutes=30)), "role_missing", "router", detail="router"),
    fault("no scheduler", lambda w: (w.staff.pop("scheduler"), ScheduledAction.objects.update(next_run_at=w.now - timedelta(hours=3))), "role_missing", "scheduler", detail="scheduler"),
    fault("a router hangs", router_hangs, "role_hung", "kill -KILL", "postroom worker router", detail="router", is_slow=True),
    fault("a door is closed", lambda w: setattr(w, "machine", dataclasses.replace(w.machine, closed_doors={"SMTP": "127.0.0.1:25"})), "door_closed", "port", detail="SMTP"),
    fault("the disk is nearly full", lambda w: w.disk(free=200_000_000), "disk_low", "Make room"),
    fault("the disk cannot be written to", lambda w: w.disk(free=0, trouble="Read-only file system"), "disk_broken", "rights"),
    fault("the clock was set back", lambda w: QueueSample.objects.create(company_number=0, taken_at=w.now + timedelta(hours=3), age_seconds=0), "clock_wrong", "NTP"),
    fault("the secret key is another one", other_secret_key, "secrets_unreadable", "former key"),
)  # fmt: skip

MAILBOXES = (
    fault("mailbox refuses the password", lambda w: mailbox_says(w, TroubleKind.LOGIN, "Invalid credentials", "AUTHENTICATIONFAILED"), "mailbox_refuses", "password"),
    fault("IMAP is switched off at the provider", lambda w: mailbox_says(w, TroubleKind.LOGIN, "Your account is not enabled for IMAP use", "ALERT"), "mailbox_refuses", "Switch it on", detail="mailbox_imap_off"),
    fault("mailbox host refuses", lambda w: mailbox_says(w, TroubleKind.CONNECT, "imap.northwind.example refuses the connection"), "mailbox_refuses", detail="mailbox_refused"),
    fault("token of the mailbox is dead", lambda w: mailbox_says(w, TroubleKind.TOKEN, "the consent has ended, or was withdrawn: invalid_grant"), "mailbox_token", detail="mailbox_token_ended"),
    fault("mailbox never confirmed", lambda w: w.set_mailbox(is_confirmed=False, confirmed_at=None, succeeded_at=None), "mailbox_unconfirmed", "confirm"),
    fault("mailbox unread for hours", lambda w: w.set_mailbox(succeeded_at=w.now - timedelta(hours=5)), "mailbox_unread", "Fetchmail"),
    fault("the same account twice", lambda w: Mailbox.objects.create(company=w.house.company, name="Other", host="imap.northwind.example", username=f"support@{DOMAIN}", is_confirmed=True, confirmed_at=w.now, succeeded_at=w.now), "mailbox_twice", "Keep one"),
    fault("mailbox always in use", lambda w: mailbox_says(w, TroubleKind.UNAVAILABLE, "[IN-USE] mailbox is locked by another session", "IN-USE"), "mailbox_refuses", beside="mailbox_shared"),
    fault("mailbox silent for weeks", silence, "mailbox_silent", "MX records"),
    fault("a provider's request is not believed", lambda w: InboundHook.objects.create(company=w.house.company, name="Mailgun", provider="mailgun", token_digest="a" * 64, token=b"x", created_at=w.now, last_trouble="the signature is another one"), "hook_trouble", "signing key"),
    fault("fetching is switched off", lambda _: ScheduledAction.objects.filter(key="fetchmail").update(is_active=False), "schedule_off", "Switch it on", detail="fetchmail"),
)  # fmt: skip

SCHEDULE = (
    fault("queue manager is off", lambda _: ScheduledAction.objects.filter(key="queue_manager").update(is_active=False), "schedule_off", "Switch it on", detail="queue_manager"),
    fault("an action is late", lambda w: ScheduledAction.objects.filter(key="queue_manager").update(next_run_at=w.now - timedelta(hours=5)), "schedule_late", "postroom schedule run", detail="queue_manager"),
    fault("an action fails again and again", lambda _: ScheduledAction.objects.filter(key="vacuum").update(failure_count=5, last_result="OSError: disk") or ScheduledAction.objects.filter(key__startswith="auto").update(failure_count=5, last_result="OSError: disk"), "schedule_failing", "by hand"),
)  # fmt: skip

QUEUE = (
    fault("550 5.1.1 no such user", lambda w: w.refused(550, "5.1.1", "user unknown"), "addresses_refused", "spelling", detail="user_unknown"),
    fault("552 mailbox full", lambda w: w.refused(552, "5.2.2", "mailbox is full"), "addresses_refused", detail="mailbox_full"),
    fault("550 5.7.26 unauthenticated", lambda w: w.refused(550, "5.7.26", "This mail has been blocked because the sender is unauthenticated. SPF DKIM"), "mails_refused", detail="auth_failure"),
    fault("554 5.7.1 on a blocklist", lambda w: w.refused(554, "5.7.1", "Service unavailable; Client host [192.0.2.25] blocked using zen.spamhaus.org"), "mails_refused"),
    fault("relaying denied for real mail", lambda w: w.refused(554, "5.7.1", "Relay access denied"), "mails_refused", detail="relay_denied"),
    fault("452 4.2.2 over quota", lambda w: w.put_off("452 4.2.2 mailbox over quota"), "mails_deferred", detail="mailbox_full"),
    fault("421 4.7.0 rate limited", lambda w: w.put_off("421 4.7.0 try again later, rate limit exceeded", count=12), "mails_deferred", "limits", detail="rate_limited"),
    fault("greylisted", lambda w: w.put_off("450 4.2.0 greylisted, come back in 5 minutes"), "mails_deferred", detail="greylisted"),
    fault("nobody takes what is due", lambda w: w.queued(3), "queue_late", "deliverer"),
    fault("outcomes nobody knows", lambda w: w.queued(1, state="unknown"), "outcomes_unknown", "Decide"),
    fault("mail that breaks the router", lambda w: inbound(w, InboundState.FAILED, error="ValueError: odd"), "inbound_failed", "route them again"),
    fault("mail that nobody routes", lambda w: inbound(w, InboundState.RECEIVED, minutes=40), "inbound_late", "router"),
    fault("the named server is archived", lambda w: waits(w, "wait.archived", server="Old"), "queue_waits", "active again", detail="wait.archived"),
    fault("a given-up alias is written to", lambda w: (Alias.objects.create(company=w.house.company, domain=w.house.domain, name="help", kind=w.house.ticket, retired_at=w.now - timedelta(days=9)), inbound(w, InboundState.ROUTED, to=f"help@{DOMAIN}")), "alias_retired_used", "new address"),
    fault("an alias whose test failed", lambda w: Alias.objects.filter(pk=w.house.support.pk).update(status="invalid"), "alias_invalid", "test the alias"),
    fault("failures after a change", failures_after_a_change, "failing_much", "Delivery Failed"),
    fault("an alarm that nobody answered", lambda w: Alarm.objects.create(code="loop.breaker", subject="support", reason={"code": "loop.x", "facts": {}}, raised_at=w.now, last_at=w.now), "alarm_open", "alarm list", detail="loop.breaker"),
)  # fmt: skip

POLICY = "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"


def clocks_ahead(ward: Ward, *, minutes: int) -> None:
    """Our own is so much behind, say a mail server and a web server; the database goes with us."""
    there = ward.now + timedelta(minutes=minutes)
    ward.relay_greets(f"{RELAY} ESMTP ready at {there:%a, %d %b %Y %H:%M:%S} +0000")
    ward.policy(POLICY.format(mode="enforce", mx="mx.northwind.example"), date=there)


def relays_ahead(ward: Ward, *minutes: float) -> None:
    """A mail came from each of so many relays of strangers, stamped there so long after it came, by our clock."""
    for place, minute in enumerate(minutes, 1):
        says = ward.now + timedelta(minutes=minute)
        row = InboundMessage.objects.create(
            company=ward.house.company, door="smtp", size=100, state=InboundState.ROUTED, due_at=ward.now, received_at=ward.now,
            routed_at=ward.now, peer=f"203.{place}.113.9 (mx.sender{place}.example)", rcpt_to=[f"support@{DOMAIN}"],
        )  # fmt: skip
        raw = (
            "Received: from mx\r\n\tby post.northwind.example (Postroom) with ESMTP id 1; Sun, 1 Mar 2026 12:00:00 +0000\r\n"
            f"Received: from desk by mx.sender{place}.example with ESMTPS id 2;\r\n\t{says:%a, %d %b %Y %H:%M:%S %z}\r\n"
            "From: carla@customer.example\r\n\r\nHello\r\n"
        )
        RawMail.objects.create(inbound=row, raw=raw.encode())


ENDS = (
    fault("the relay's certificate ends in a week", lambda w: w.relay_greets(RELAY, until=w.now + timedelta(days=7)), "server_tls_ends", "certbot renew"),
    fault("the relay's certificate has ended, and nobody verifies it", lambda w: w.relay_greets(RELAY, until=w.now - timedelta(days=2)), "server_tls_ends", "renew"),
    fault("the certificate of our own door ends", lambda w: (w.configure(tls_certificate="/etc/ssl/door.pem"), setattr(w, "door_ends", w.now + timedelta(days=3))), "door_tls_ends", "/etc/ssl/door.pem"),
    fault("the certificate of our own door has ended", lambda w: setattr(w, "door_ends", w.now - timedelta(hours=1)), "door_tls_ends", "Renew"),
    fault("the consent of a mailbox ends tomorrow", lambda w: w.consent_ends(w.now + timedelta(days=1)), "token_ends", "Connect the account again"),
    fault("the consent of a server ends tomorrow", lambda w: w.consent_ends(w.now + timedelta(days=1), server=True), "token_ends", "Connect the account again"),
    fault("MTA-STS does not name our MX", lambda w: w.policy(POLICY.format(mode="enforce", mx="*.elsewhere.example")), "mta_sts_broken", "mta-sts.txt", detail="policy"),
    fault("MTA-STS with a star two labels deep", lambda w: w.policy(POLICY.format(mode="testing", mx="*.example")), "mta_sts_broken", detail="policy"),
    fault("the MTA-STS policy is a page", lambda w: w.policy("<html>Not here</html>"), "mta_sts_broken", detail="policy"),
    fault("the MTA-STS policy is gone", lambda w: w.policy("", status=404), "mta_sts_broken", detail="policy"),
    fault("the MTA-STS host refuses", lambda w: (w.policy(""), w.web.clear()), "mta_sts_broken", detail="policy"),
    fault("our clock is behind everybody's", lambda w: clocks_ahead(w, minutes=9), "clock_wrong", "NTP", detail="outside"),
    fault("our clock is behind that of three relays whose mails just came", lambda w: relays_ahead(w, 12, 12.4, 12.8), "clock_wrong", "NTP", detail="mails"),
    fault("mails are gone before we come", lambda w: w.strangers(vanished=12), "mailbox_shared", "change the password"),
    fault("mails are read before we come", lambda w: w.strangers(read=15), "mailbox_shared", "change the password"),
)  # fmt: skip


def ten_lookups(ward: Ward) -> None:
    ward.spf(f"v=spf1 a:{RELAY} include:one.example -all")
    hosts = [f"h{place}.example" for place in range(8)]
    ward.dns.put("one.example", "TXT", "v=spf1 " + " ".join(f"a:{host}" for host in hosts) + " -all")
    for host in hosts:
        ward.dns.put(host, "A", "198.51.100.7")


def router_is_busy(ward: Ward) -> None:
    """With a batch that takes more than a minute; stopped, so that no sign comes while we look."""
    busy, other = ward.at_work("router", "router")
    busy.freeze()
    other.was_seen(ago=5, steady_for=600)
    busy.was_seen(ago=80)


def router_woke_up(ward: Ward) -> None:
    """It was away for two minutes, and works again before anybody looks."""
    away, other = ward.at_work("router", "router")
    away.freeze()
    away.was_seen(ago=120)
    other.was_seen(ago=5, steady_for=600)
    away.wake()


def router_died(ward: Ward) -> None:
    """Its last sign is old; another does the work."""
    dead, other = ward.at_work("router", "router")
    dead.kill()
    other.was_seen(ago=5, steady_for=600)
    dead.was_seen(ago=120)


def everybody_stopped(ward: Ward) -> None:
    """As when the machine slept: nobody gave a sign, and nobody is to blame."""
    for one in ward.at_work("router", "router"):
        one.freeze()
        one.was_seen(ago=300)


def database_was_away(ward: Ward) -> None:
    """One was quicker to find it again."""
    slow, quick = ward.at_work("router", "router")
    slow.freeze()
    slow.was_seen(ago=300)
    quick.was_seen(ago=1, steady_for=2)


WITH_PROCESSES = {
    "a router that is busy for more than a minute": router_is_busy,
    "a router that was away and works again": router_woke_up,
    "a router that died, and whose sign is still there": router_died,
    "a house that stood still as a whole": everybody_stopped,
    "a database that was away": database_was_away,
}

# What looks like a fault and is none: the doctor stays silent. By name, and what is done to a healthy ward.
NEAR_MISSES = {
    "a certificate that is good for a month": lambda w: w.relay_greets(RELAY, until=w.now + timedelta(days=30)),
    "a door certificate that is good for a month": lambda w: setattr(w, "door_ends", w.now + timedelta(days=30)),
    "a consent that lasts": lambda w: w.consent_ends(w.now + timedelta(days=60)),
    "a policy that names our MX": lambda w: w.policy(POLICY.format(mode="enforce", mx="mx.northwind.example")),
    "a policy with a star that fits": lambda w: w.policy(POLICY.format(mode="enforce", mx="*.northwind.example")),
    "a policy that is switched off": lambda w: w.policy("version: STSv1\nmode: none\nmax_age: 86400\n"),
    "one server whose clock is wrong": lambda w: w.relay_greets(f"{RELAY} ready at Sat, 01 Jan 2000 00:00:00 +0000"),
    "clocks a minute apart": lambda w: clocks_ahead(w, minutes=1),
    "two relays whose clocks are ahead": lambda w: relays_ahead(w, 12, 12),
    "three relays ahead, each by its own": lambda w: relays_ahead(w, 12, 20, 30),
    "mails that lay in queues": lambda w: relays_ahead(w, -12, -12, -12, -12),
    "three relays ahead, and a newer mail in time": lambda w: relays_ahead(w, 12, 12, 12, 0),
    "a colleague who deletes a mail now and then": lambda w: w.strangers(vanished=4, read=4, taken=40),
    "SPF with ten look-ups": ten_lookups,
    "a blocklist that does not list us": lambda _: Parameter.objects.create(key="doctor.blocklists", value="bl.example"),
    "a DKIM key prepared and not yet published": lambda w: DkimKey.objects.create(domain=DOMAIN, selector="next", algorithm="rsa", private_key=w.key.private_key, public_key=w.key.public_key, state="prepared", created_at=w.now),
}  # fmt: skip


RECEIVERS = (
    fault("receivers refuse mail of the own relay", lambda w: w.reported(RELAY_IP, failed=9, stopped=4), "receivers_stop", "DKIM key", "SPF"),
    fault("mail of the own relay fails at receivers", lambda w: w.reported(RELAY_IP, failed=9), "receivers_fail", "stricter policy"),
    fault("a stranger sends in the name of the domain", lambda w: w.reported("203.0.113.66", failed=40, stopped=40), "receivers_source", "p=quarantine", detail="203.0.113.66"),
    fault("those who write to us cannot encrypt", lambda w: w.reported_tls("certificate-expired", failed=9, total=90), "receivers_tls", "certificate"),
)  # fmt: skip

FAULTS = (*ENDS, *DNS, *SERVERS, *HOUSE, *MACHINE, *MAILBOXES, *SCHEDULE, *QUEUE, *RECEIVERS)
