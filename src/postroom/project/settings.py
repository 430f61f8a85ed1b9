"""Django's settings, made from `Configuration`. Nothing is decided here that an operator may want to change."""

from __future__ import annotations

from collections.abc import Callable
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

POSTROOM = load_configuration()
POSTROOM_VERSION = __version__

BASE = Path(__file__).resolve().parent.parent
SECRET_KEY = POSTROOM.secret_key.reveal()
SECRET_KEY_FALLBACKS = [key.reveal() for key in POSTROOM.secret_keys[1:]]
DEBUG = POSTROOM.debug
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *POSTROOM.allowed_hosts]
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "ninja",  # serves the scripts of the API's documentation from here instead of from afar
    "procrastinate.contrib.django",
    "postroom.store",
    "postroom.web",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "postroom.web.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "postroom.project.urls"
ASGI_APPLICATION = "postroom.project.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "web" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


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

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE / "web" / "locale"]

DATA_UPLOAD_MAX_MEMORY_SIZE = 40_000_000  # bytes: a message of the API with 25 MB of files in base64

STATIC_URL = "static/"
STATIC_ROOT = Path(POSTROOM.data_dir) / "static"

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = POSTROOM.public_url.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
CSRF_TRUSTED_ORIGINS = [POSTROOM.base_url] if POSTROOM.base_url else []
if POSTROOM.trusted_proxies:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "{asctime} {levelname:7} {name} {message}", "style": "{"},
        "json": {"()": "postroom.project.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": POSTROOM.log_format}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"postroom": {"level": POSTROOM.log_level}},
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
    "postroom/pulse.css",
)  # fmt: skip
SCRIPTS = (
    "postroom/postroom.js",
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
    "SIDEBAR": {"navigation": "postroom.web.navigation.navigation"},
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
