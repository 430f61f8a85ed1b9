"""Why no access token is to be had: from the answer of Google's or Microsoft's token server to a cause and a cure.

Laws: an ordered table, the most specific first, the first that fits wins; something always fits.
Standards: RFC 6749 4.1.2.1 and 5.2 (error codes), RFC 7636; the numbers that Microsoft publishes (AADSTS...).
"""

from __future__ import annotations

import re

from postroom.core.diagnosis.server_errors import Explanation
from postroom.core.terms.reasons import because, catalogue

catalogue(
    {
        "fault.oauth_secret_expired": "The client secret of the registered application has expired or is wrong.",
        "cure.oauth_secret_expired": "Make a new client secret in the registration (Microsoft Entra: Certificates & secrets, copy the Value, not the ID; "
        "Google: Credentials) and enter it.",
        "fault.oauth_client": "The token server does not know this application: client id or secret do not belong together.",
        "cure.oauth_client": "Copy client id and client secret from the registration again, without blanks, and check that it is not deleted.",
        "fault.oauth_second_factor": "The account needs its second factor (multi-factor login), which a program cannot give.",
        "cure.oauth_second_factor": "Give the consent again in a browser, signed in as the mailbox's own account.",
        "fault.oauth_conditional": "A conditional access policy of the organisation forbids this sign-in.",
        "cure.oauth_conditional": "The organisation's administrator must let this application, or this machine's address, pass the policy.",
        "fault.oauth_consent": "Nobody has consented to what this application asks for, or an administrator must do it.",
        "cure.oauth_consent": "Give the consent again; where the organisation wants it, its administrator grants it for all (Grant admin consent).",
        "fault.oauth_blocked": "The organisation's administrator has blocked this application.",
        "cure.oauth_blocked": "Google Workspace: Security, API controls, App access control: trust the client id. Microsoft: Enterprise applications, "
        "Users may sign in.",
        "fault.oauth_tenant": "The organisation (tenant) is unknown, or the account is not one of its own.",
        "cure.oauth_tenant": "Enter the tenant of the mailbox's organisation, and sign in with an account of it.",
        "fault.oauth_licence": "The account is disabled or has no mailbox.",
        "cure.oauth_licence": "Enable the account and give it a licence with a mailbox.",
        "fault.oauth_scope": "The application asks for rights that it was not given.",
        "cure.oauth_scope": "Google: https://mail.google.com/. Microsoft: SMTP.Send and IMAP.AccessAsUser.All of Office 365 Exchange Online, and offline_access.",
        "fault.oauth_redirect": "The address to which the browser is sent back is not the registered one.",
        "cure.oauth_redirect": "Register exactly the redirect address that Postroom shows, https and path included.",
        "fault.oauth_ended": "The consent has ended: withdrawn, unused for long, or a new password ended it.",
        "cure.oauth_ended": "Give the consent again. In Google a consent of an application in testing ends after seven days: publish it.",
        "fault.oauth_later": "The token server cannot answer now.",
        "cure.oauth_later": "Nothing is to be done: it is asked again by itself.",
        "fault.oauth_other": "The token server refuses: {said}",
        "cure.oauth_other": "Check client id, client secret and rights, and give the consent again.",
    }
)

_CASES: tuple[tuple[str, str], ...] = (
    ("secret_expired", r"AADSTS7000(215|222)\b|client secret.{0,40}(expired|invalid)|invalid client secret"),
    ("second_factor", r"AADSTS5007[269]\b|AADSTS50158\b|multi-?factor"),
    ("conditional", r"AADSTS5300[0-4]\b|AADSTS530032\b|conditional access"),
    ("consent", r"AADSTS65001\b|AADSTS65004\b|consent_required|interaction_required|has not consented"),
    ("blocked", r"admin_policy_enforced|AADSTS7000112\b|AADSTS50105\b|access_not_configured|org_internal|application.{0,20}is disabled"),
    ("tenant", r"AADSTS90002\b|AADSTS50020\b|AADSTS90072\b|AADSTS50128\b|AADSTS900023\b|tenant.{0,40}not found"),
    ("licence", r"AADSTS50057\b|AADSTS50034\b|AADSTS53005\b|account.{0,20}(disabled|does not exist)|disabled_client"),
    ("redirect", r"redirect_uri_mismatch|AADSTS50011\b"),
    ("client", r"AADSTS700016\b|AADSTS7000218\b|invalid_client|deleted_client|unauthorized_client"),
    ("scope", r"invalid_scope|AADSTS70011\b|AADSTS650053\b|insufficient.{0,20}(scope|permission)"),
    ("ended", r"invalid_grant|AADSTS70008\b|AADSTS700082\b|AADSTS700084\b|AADSTS50173\b|AADSTS70043\b|consent has ended|token.{0,30}(expired|revoked)"),
    ("later", r"temporarily_unavailable|server_error|AADSTS90033\b|slow_down|HTTP status (429|5\d\d)"),
)  # fmt: skip

SIGNS = re.compile(
    r"AADSTS\d{5,8}|\binvalid_(?:grant|client|scope)\b|\b(?:un)?authorized_client\b|redirect_uri_mismatch|admin_policy_enforced|consent_required|"
    r"consent has ended|interaction_required|disabled_client|deleted_client"
)


def explain_oauth(text: str) -> Explanation:
    """The first case that fits. ``text``: the error of the token server, JSON or words."""
    code = next((code for code, says in _CASES if re.search(says, text, re.IGNORECASE)), "other")
    said = " ".join(text.split())[:300]
    return Explanation(
        code=f"oauth_{code}",
        cause=because(f"fault.oauth_{code}", said=said),
        cure=because(f"cure.oauth_{code}", said=said),
    )


def oauth_codes() -> tuple[str, ...]:
    """All codes that `explain_oauth` may give."""
    return tuple(f"oauth_{code}" for code in dict.fromkeys([*(code for code, _ in _CASES), "other"]))
