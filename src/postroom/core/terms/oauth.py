"""Those who give OAuth2 tokens after a person's consent: where the consent is asked for, and what it must cover.

Laws: the mail scopes alone, and a token that can be renewed. Standards: RFC 6749 4.1 (authorization code), RFC 7636 (PKCE).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class TokenProvider(StrEnum):
    """Whose consent can be asked for."""

    GOOGLE = "google"
    MICROSOFT = "microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPlace:
    """``{tenant}`` in an address is the directory of the organisation. ``extra`` goes into the request as it is."""

    label: str
    authorize: str
    token: str
    scopes: tuple[str, ...]
    extra: Mapping[str, str]
    console: str
    needs: tuple[str, ...]


CONSENT_PLACES: Mapping[TokenProvider, ConsentPlace] = MappingProxyType(
    {
        TokenProvider.GOOGLE: ConsentPlace(
            label="Google",
            authorize="https://accounts.google.com/o/oauth2/v2/auth",
            token="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
            scopes=("https://mail.google.com/",),
            extra=MappingProxyType({"access_type": "offline", "prompt": "consent"}),
            console="https://console.cloud.google.com/apis/credentials",
            needs=(
                "Make a project in the Google Cloud console and switch on the Gmail API.",
                "Make an OAuth client there (Credentials, Web application) and enter the address below as redirect URI.",
                "Enter its client ID and client secret here.",
            ),
        ),
        TokenProvider.MICROSOFT: ConsentPlace(
            label="Microsoft",
            authorize="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
            token="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",  # noqa: S106 - an address
            scopes=(
                "offline_access",
                "https://outlook.office.com/IMAP.AccessAsUser.All",
                "https://outlook.office.com/SMTP.Send",
            ),
            extra=MappingProxyType({"prompt": "select_account"}),
            console="https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps",
            needs=(
                "Register an application in the Microsoft Entra admin center (App registrations, New registration).",
                "Enter the address below as redirect URI (platform Web), and make a client secret.",
                "Enter the application ID, the secret, and the directory ID where only your organisation may use it.",
            ),
        ),
    }
)
