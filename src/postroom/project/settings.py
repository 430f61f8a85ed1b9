"""Django's settings, made from `Configuration`. Nothing is decided here that an operator may want to change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from postroom import __version__
from postroom.core.terms.configuration import ConfigurationError
from postroom.project.configuration import load_configuration
from postroom.workers.database import connection_for
from postroom.workers.house import process

POSTROOM = load_configuration()
POSTROOM_VERSION = __version__

BASE = Path(__file__).resolve().parent.parent
SECRET_KEY = POSTROOM.secret_key.reveal()
SECRET_KEY_FALLBACKS = [key.reveal() for key in POSTROOM.secret_keys[1:]]
DEBUG = POSTROOM.debug
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *POSTROOM.allowed_hosts]
INSTALLED_APPS = [
    *(["unfold"] if process.shows_pages else []),  # it has no tables
    # looking for everybody's pages loads all of ours: a second, for those who show none
    "django.contrib.admin" if process.shows_pages else "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    *(
        ["ninja"] if process.shows_pages else []
    ),  # serves the scripts of the API's documentation from here, not from afar
    "procrastinate.contrib.django",
    "axes",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    *(["allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"] if process.shows_pages else []),
    "postroom.store",
    "postroom.web",
]
MIDDLEWARE = [
    "postroom.web.middleware.Whereabouts",  # before anybody reads a header of proxies
    "django.middleware.security.SecurityMiddleware",
    "postroom.web.middleware.Policies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "postroom.web.sessions.SessionLimits",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "postroom.project.urls"
ASGI_APPLICATION = "postroom.project.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "postroom.web.drawing.Templates",
        "NAME": "django",
        "DIRS": [BASE / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["postroom.web.templatetags.addresses"],
            "libraries": {"i18n": "postroom.web.templatetags.words"},
        },
    },
    {
        "BACKEND": "postroom.web.drawing_rows.Rows",
        "NAME": "rows",
        "DIRS": [BASE / "web" / "jinja2"],
        "APP_DIRS": False,
        "OPTIONS": {"environment": "postroom.web.drawing_rows.environment"},
    },
]
FORM_RENDERER = "postroom.web.drawing_forms.Fields"


def _database() -> dict[str, Any]:
    """The embedded PostgreSQL unless a URL names another."""
    found: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
    if not POSTROOM.database_url:
        place = connection_for(Path(POSTROOM.data_dir))
        return found | {"HOST": str(place.socket_dir), "PORT": place.port, "NAME": place.dbname, "USER": place.user}
    url = urlsplit(POSTROOM.database_url)
    if url.scheme not in ("postgresql", "postgres"):
        raise ConfigurationError(f"POSTROOM_DATABASE_URL must begin with postgresql://, not {url.scheme or 'nothing'}.")
    options = dict(parse_qsl(url.query))
    return found | {
        "NAME": unquote(url.path.lstrip("/")) or "postroom",
        "USER": unquote(url.username or ""),
        "PASSWORD": unquote(url.password or ""),
        "HOST": options.pop("host", "") or url.hostname or "",
        "PORT": url.port or "",
        "OPTIONS": options,
    }


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = "/"
PASSWORD_RESET_TIMEOUT = 3600  # seconds

# signing in: tries are counted per account and address together (a stranger elsewhere locks nobody out)
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = POSTROOM.sign_in_failures
AXES_COOLOFF_TIME = timedelta(minutes=POSTROOM.sign_in_pause)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "postroom.web.whereabouts.network_of"
AXES_USERNAME_CALLABLE = "postroom.web.sign_in.counted_name"
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
AXES_DISABLE_ACCESS_LOG = True  # the audit log has it
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # the form says it in words, so the middleware is not needed

# two-factor sign-in and an identity provider
ACCOUNT_ADAPTER = "postroom.web.signing.adapters.Accounts"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]  # nobody signs up: `Accounts` is closed
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600  # seconds
ACCOUNT_RATE_LIMITS = {"reauthenticate": "10/m/user", "login_failed": "10/m/ip,8/15m/key"}
MFA_ADAPTER = "postroom.web.signing.adapters.SecondFactors"
MFA_FORMS = {
    "authenticate": "postroom.web.signing.forms.Authenticate",
    "reauthenticate": "postroom.web.signing.forms.Reauthenticate",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Postroom"
MFA_TOTP_TOLERANCE = 1  # a code typed at the end of its 30 seconds still counts (RFC 6238, 5.2)
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are the administrators' business here
SOCIALACCOUNT_ADAPTER = "postroom.web.signing.adapters.Providers"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # `Providers` decides, by verified addresses alone
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = "sign-in"
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {}
if POSTROOM.oidc_issuer:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                "provider_id": "oidc",
                "name": POSTROOM.oidc_name or urlsplit(POSTROOM.oidc_issuer).hostname,
                "client_id": POSTROOM.oidc_client_id,
                "secret": POSTROOM.oidc_client_secret.reveal(),
                "settings": {"server_url": POSTROOM.oidc_issuer},
            }
        ],
    }

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", _("English")),
    ("de", _("German")),
    ("es", _("Spanish")),
    ("fr", _("French")),
    ("zh-hans", _("Chinese")),
]
LOCALE_PATHS = [BASE / "web" / "locale"]

DATA_UPLOAD_MAX_MEMORY_SIZE = 40_000_000  # bytes: a message of the API with 25 MB of files in base64

STATIC_URL = "static/"
STATIC_ROOT = Path(POSTROOM.data_dir) / "static"

IS_HTTPS = POSTROOM.public_url.startswith("https://")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_NAME = "__Host-postroom" if IS_HTTPS else "sessionid"  # RFC 6265bis 4.1.3.2: no other host can set it
CSRF_COOKIE_NAME = "__Host-csrf" if IS_HTTPS else "csrftoken"
CSRF_COOKIE_HTTPONLY = True  # forms carry the token; scripts need no cookie
SESSION_COOKIE_AGE = POSTROOM.session_idle * 60
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
X_FRAME_OPTIONS = "SAMEORIGIN"
CSRF_TRUSTED_ORIGINS = [POSTROOM.base_url] if POSTROOM.base_url else []
if POSTROOM.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

_SECRETS = [key.reveal() for key in (*POSTROOM.secret_keys, POSTROOM.server_password, POSTROOM.oidc_client_secret)]
_LOG_FILES: dict[str, Any] = (
    {
        "file": {
            "()": "postroom.project.logs.DailyFile",
            "directory": POSTROOM.log_dir,
            "days": POSTROOM.log_days,
            "formatter": "json",
        }
    }
    if POSTROOM.log_days
    else {}
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "postroom.project.logs.PlainFormatter", "secrets": _SECRETS},
        "json": {"()": "postroom.project.logs.JsonFormatter", "secrets": _SECRETS},
    },
    "handlers": {"stderr": {"class": "postroom.project.logs.Stderr", "formatter": POSTROOM.log_format}, **_LOG_FILES},
    "root": {"handlers": ["stderr", *_LOG_FILES], "level": "WARNING"},
    "filters": {"one line": {"()": "postroom.project.logs.OneLine"}},
    "loggers": {
        "postroom": {"level": POSTROOM.log_level},
        "django.security.DisallowedHost": {"filters": ["one line"]},
    },
}


@lru_cache
def _fresh(path: str) -> str:
    """The address of a static file of ours, another one for other contents: browsers keep what they have seen."""
    contents = (BASE / "web" / "static" / path).read_bytes()
    return f"{static(path)}?v={sha256(contents).hexdigest()[:12]}"


def _served(path: str) -> Callable[[object], str]:
    """What unfold asks with each request."""
    return lambda _request: _fresh(path)


STYLES = (
    "postroom/postroom.css",
    "postroom/shell.css",
    "postroom/letterbox.css",
    "postroom/inbox.css",
    "postroom/record.css",
    "postroom/composer.css",
    "postroom/settings.css",
    "postroom/rules.css",
    "postroom/signing.css",
    "postroom/pulse.css",
    "postroom/receivers.css",
)  # fmt: skip
SCRIPTS = (
    "postroom/vendor/dompurify-3.4.18/purify.min.js",
    "postroom/vendor/squire-2.4.8/squire.js",
    "postroom/postroom.js",
    "postroom/inbox.js",
    "postroom/record.js",
    "postroom/pasting.js",
    "postroom/composer.js",
    "postroom/settings.js",
    "postroom/pulse.js",
)  # fmt: skip

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Postroom",
    "SITE_HEADER": "Postroom",
    "SITE_SYMBOL": "mail",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("postroom/mark.svg")}],
    "SITE_URL": None,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_served(path) for path in STYLES],
    "SCRIPTS": [_served(path) for path in SCRIPTS],
    "BORDER_RADIUS": "9px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .016 215)",
            "100": "oklch(94% .032 215)",
            "200": "oklch(88.5% .055 215)",
            "300": "oklch(80% .085 215)",
            "400": "oklch(75% .1 216)",
            "500": "oklch(66% .107 218)",
            "600": "oklch(50% .093 220)",
            "700": "oklch(43% .08 222)",
            "800": "oklch(36% .066 224)",
            "900": "oklch(30% .053 226)",
            "950": "oklch(22% .04 228)",
        },
    },
}
