"""Who must act, and whose fault it is: for each cause that the tables of this room know, and for each reason of the taxonomy.

Duty: one place that joins a cause's code with the one vocabulary of blame and with the person who can end the trouble.
Laws: every code has both (a test compares with the tables); blame says whose fault, `Actor` says whose turn: a full mailbox is the
recipient's fault and the recipient's turn, a rate limit is a policy and nobody's turn, because time cures it.
"""

from __future__ import annotations

from enum import StrEnum

from postroom.core.reports.taxonomy import blame_of_reason
from postroom.core.terms.reasons import Reason, because, catalogue
from postroom.core.terms.states import Blame


class Actor(StrEnum):
    """Whose turn it is."""

    ADMINISTRATOR = "administrator"  # of this Postroom: settings, DNS, passwords
    AUTHOR = "author"  # who wrote the mail: the address, the content
    RECIPIENT = "recipient"  # the person written to
    POSTMASTER = "postmaster"  # who runs the recipient's server
    PROVIDER = "provider"  # who runs the server that we send through or fetch from
    NOBODY = "nobody"  # time cures it

    @property
    def turn(self) -> Reason:
        """In words, for people."""
        return because(f"turn.{self}")


catalogue(
    {
        "turn.administrator": "you, or whoever looks after this Postroom and its domain",
        "turn.author": "whoever wrote the mail",
        "turn.recipient": "the person whom the mail was written to",
        "turn.postmaster": "the postmaster of the recipient's server",
        "turn.provider": "whoever runs the mail server that you use",
        "turn.nobody": "nobody: time cures it, or nothing is wrong",
    }
)

_ADMINISTRATOR, _AUTHOR, _RECIPIENT = Actor.ADMINISTRATOR, Actor.AUTHOR, Actor.RECIPIENT
_POSTMASTER, _PROVIDER, _NOBODY = Actor.POSTMASTER, Actor.PROVIDER, Actor.NOBODY

_OF_REASONS: dict[Actor, str] = {
    _AUTHOR: "user_unknown host_unknown has_moved not_accepting bad_address spam_content virus content too_many_recipients too_large feedback",
    _RECIPIENT: "mailbox_full suspended filtered restricted",
    _POSTMASTER: "policy system_error mailer_error syntax undetermined loop",
    _ADMINISTRATOR: "blocked_network bad_reputation auth_failure no_reverse_name sender_rejected relay_denied login_required encryption",
    _PROVIDER: "sender_suspended",
    _NOBODY: "mailbox_busy rate_limited greylisted system_full network_error expired",
}
_OF_CASES: dict[tuple[Blame, Actor], str] = {
    (Blame.SENDER, _ADMINISTRATOR): (
        "host_malformed port_25 tls_on_plain_port plain_on_tls_port not_smtp tls_too_old client_certificate client_certificate_unusable "
        "gmail_app_password gmail_browser token_refused token_missing microsoft_smtp_auth microsoft_basic microsoft_login ses_credentials "
        "sendgrid_key login_needs_tls no_login_offered no_login_in_common login_refused login_forbidden login_closed login_required "
        "starttls_required starttls_missing sender_identity sender_not_owned sender_domain sender_syntax sender_refused utf8_missing "
        "relay_denied sandbox not_in_service ehlo_refused quota_of_plan size host_unknown refusal "
        "mailbox_host_unknown mailbox_starttls_missing mailbox_tls_on_plain_port mailbox_plain_on_tls_port mailbox_token_ended "
        "mailbox_token_missing mailbox_token_refused mailbox_secret_unreadable mailbox_login_in_clear mailbox_login_locked mailbox_imap_off "
        "mailbox_web_login mailbox_login_expired mailbox_login_of_provider mailbox_login_refused mailbox_folder_read_only mailbox_no_folders "
        "mailbox_setting_wrong mailbox_no_lasting_numbers mailbox_not_settled mailbox_folder_missing mailbox_storage mailbox_not_a_mailbox "
        "mailbox_in_use oauth_ended oauth_client oauth_secret_expired oauth_consent oauth_second_factor oauth_conditional oauth_tenant oauth_scope "
        "oauth_redirect oauth_blocked oauth_licence oauth_other"
    ),
    (Blame.POLICY, _ADMINISTRATOR): "policy blocked",
    (Blame.POLICY, _NOBODY): "daily_limit too_fast too_many_connections greylisted mailbox_too_many",
    (Blame.SERVER, _PROVIDER): (
        "certificate_expired certificate_not_yet certificate_name certificate_self_signed certificate_unknown certificate_other tls_no_cipher "
        "tls_other starttls_refused injection chatter mailbox_certificate_expired mailbox_certificate_not_yet mailbox_certificate_name "
        "mailbox_certificate_self_signed mailbox_certificate_unknown mailbox_starttls_smuggled mailbox_preauth mailbox_tls_other mailbox_nonsense"
    ),
    (Blame.SERVER, _NOBODY): (
        "login_later storage going_down later silent hung_up mailbox_token_later mailbox_unavailable mailbox_silent mailbox_hung_up oauth_later"
    ),
    (Blame.NETWORK, _ADMINISTRATOR): (
        "refused unreachable forbidden_here connect_timeout mailbox_refused mailbox_unreachable other mailbox_other"
    ),
    (Blame.ADDRESS, _AUTHOR): "recipient_unknown recipient_refused",
}  # fmt: skip

_REASONS = {code: actor for actor, codes in _OF_REASONS.items() for code in codes.split()}
_CASES = {code: both for both, codes in _OF_CASES.items() for code in codes.split()}


def of_reason(code: str) -> tuple[Blame, Actor]:
    """Of a reason of the taxonomy."""
    return blame_of_reason(code), _REASONS[code]


def of_case(code: str) -> tuple[Blame, Actor]:
    """Of a case of `server_errors`, `mailbox_errors` or `oauth_errors`."""
    return _CASES[code]
