"""The installation's configuration: what must be known before the database can be asked.

Duty: one frozen value made from ``postroom.toml`` and ``POSTROOM_*`` variables (variables win), every setting in one table.
Laws: pure; a wrong value is a `ConfigurationError` that names the setting, what was given and what would be right;
an unknown key is an error, not a silence. Everything that can change while running is a system parameter instead.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from postroom.core.terms.networks import read_network
from postroom.core.terms.secret import Secret
from postroom.core.terms.web_addresses import keeps_secrets


class ConfigurationError(ValueError):
    """A setting that cannot be used; the text says which one and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All settings. Paths are texts; ports are on ``*_host``, which is loopback unless changed."""

    data_dir: str = "data"
    database_url: str = ""
    hostname: str = "localhost"
    base_url: str = ""
    web_host: str = "127.0.0.1"
    web_port: int = 8000
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 2525
    lmtp_host: str = "127.0.0.1"
    lmtp_port: int = 2424
    tls_certificate: str = ""
    tls_key: str = ""
    max_message_size: int = 50 * 1024 * 1024
    max_recipients: int = 100
    max_connections: int = 200
    max_connections_per_peer: int = 50
    deliverers: int = 1
    routers: int = 1
    doors: int = 1
    web_workers: int = 1
    secret_key: Secret = Secret("")
    former_secret_keys: Secret = Secret("")
    secret_key_file: str = ""
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()
    token_networks: tuple[str, ...] = ()
    # signing in
    sign_in_failures: int = 8
    sign_in_pause: int = 15
    session_idle: int = 4320
    session_life: int = 43200
    oidc_name: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: Secret = Secret("")
    oidc_new_people: bool = False
    oidc_role: str = "agent"
    oidc_domains: tuple[str, ...] = ()
    # a language model for `postroom ask`; none unless it is named
    model_url: str = ""
    model_name: str = ""
    model_key: Secret = Secret("")
    model_seconds: int = 60
    model_tokens: int = 40_000
    debug: bool = False
    log_level: str = "INFO"
    log_format: str = "text"
    log_days: int = 30
    # the default outgoing server, used when no server of the database applies (PRODUCT A1, D-57)
    server_host: str = ""
    server_port: int = 25
    server_user: str = ""
    server_password: Secret = Secret("")
    server_encryption: str = "none"
    email_from: str = ""
    from_filter: str = ""

    @property
    def secret_keys(self) -> tuple[Secret, ...]:
        """The present key first, former ones after it."""
        former = (part.strip() for part in self.former_secret_keys.reveal().split(","))
        return (self.secret_key, *(Secret(part) for part in former if part))

    @property
    def log_dir(self) -> str:
        """Where the files of logs are; see `core.terms.log_lines`."""
        return f"{self.data_dir}/logs"

    @property
    def public_url(self) -> str:
        """Where links in mails lead."""
        return (self.base_url or f"http://{self.web_host}:{self.web_port}").rstrip("/")


HELP: Mapping[str, str] = {
    "data_dir": "Directory for the embedded database, blobs, journals, keys and logs.",
    "database_url": "postgresql://user:password@host:port/name of your own PostgreSQL (14 or newer); empty: the embedded one.",
    "hostname": "The name this machine gives itself in EHLO, greetings and Received lines.",
    "base_url": "Public address of the pages, for links in mails; empty: http://web_host:web_port.",
    "web_host": "Address the pages listen on.",
    "web_port": "Port the pages listen on.",
    "smtp_host": "Address the SMTP door listens on.",
    "smtp_port": "Port of the SMTP door.",
    "lmtp_host": "Address the LMTP door listens on.",
    "lmtp_port": "Port of the LMTP door.",
    "tls_certificate": "PEM file with the certificate chain that the SMTP door offers with STARTTLS; empty: no STARTTLS.",
    "tls_key": "PEM file with the private key of tls_certificate.",
    "max_message_size": "Largest mail accepted, in bytes (SIZE, RFC 1870).",
    "max_recipients": "Most recipients accepted in one transaction.",
    "max_connections": "Most connections to a door process at once.",
    "max_connections_per_peer": "Most connections from one address at once.",
    "deliverers": "Processes that send.",
    "routers": "Processes that route.",
    "doors": "Processes that listen for SMTP and LMTP (they share the ports).",
    "web_workers": "Processes that serve pages.",
    "secret_key": "Key for stored passwords, sessions and signed addresses; empty: the one in secret_key_file.",
    "former_secret_keys": "Keys that were secret_key before, separated by commas: they still open and verify (see postroom secrets).",
    "secret_key_file": "File that holds the secret keys when secret_key is empty; made when it is not there; empty: data_dir/secret_key.",
    "allowed_hosts": "Host names under which the pages may be asked for, separated by commas; loopback is always allowed.",
    "trusted_proxies": "Addresses of reverse proxies whose X-Forwarded-* headers are believed, separated by commas.",
    "token_networks": "Own networks where token endpoints (OAuth2) may be asked, such as 10.1.2.0/24, separated by commas; empty: public addresses alone.",
    "dns_servers": "Name servers for all that Postroom itself asks the DNS (senders, destinations, keys, the doctor), as address or address:port, separated by commas; empty: as the machine is set up.",
    "sign_in_failures": "Wrong passwords for one account from one address, after which both together are kept out for sign_in_pause.",
    "sign_in_pause": "Minutes for which they are kept out.",
    "session_idle": "Minutes without a request, after which a session ends.",
    "session_life": "Minutes after which a session ends in any case.",
    "oidc_name": "What the button of the identity provider says; empty: the host of oidc_issuer.",
    "oidc_issuer": "https://… address of an OpenID Connect provider to sign in with; empty: there is none.",
    "oidc_client_id": "Client id that the provider gave to Postroom.",
    "oidc_client_secret": "Client secret that the provider gave to Postroom.",
    "oidc_new_people": "Whether somebody whom the provider knows, and we do not, becomes a member.",
    "oidc_role": "Role of such a new member: manager, agent or read_only.",
    "oidc_domains": "Domains whose verified addresses may become members, separated by commas; needed for oidc_new_people.",
    "model_url": "https://… address of an endpoint that speaks OpenAI's chat completions, for postroom ask; empty: no model is asked, nothing leaves.",
    "model_name": "Name of the model at that endpoint.",
    "model_key": "Key for that endpoint; empty: it needs none.",
    "model_seconds": "Seconds that a question may take there, all turns together.",
    "model_tokens": "Tokens that a question may use there, all turns together.",
    "debug": "Show details of errors on pages. Never where others can reach it.",
    "log_level": "DEBUG, INFO, WARNING or ERROR: what is logged, on stderr and in files.",
    "log_format": "What stderr gets: text for people, json for programs. Files of logs are always json.",
    "log_days": "Days for which the files in data_dir/logs are kept; 0: none are written, only stderr.",
    "server_host": "Host of the default outgoing server, used when no server of the database applies.",
    "server_port": "Port of the default outgoing server.",
    "server_user": "Login at the default outgoing server.",
    "server_password": "Password at the default outgoing server.",
    "server_encryption": "none, starttls or tls, for the default outgoing server.",
    "email_from": "Last-resort From and envelope sender.",
    "from_filter": "FROM filter of the default outgoing server (addresses and domains, separated by commas).",
}

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "server_encryption": ("none", "starttls", "tls"),
    "log_format": ("text", "json"),
    "oidc_role": ("manager", "agent", "read_only"),
    "log_level": ("DEBUG", "INFO", "WARNING", "ERROR"),
}


def read_configuration(file_values: Mapping[str, object], environ: Mapping[str, str]) -> Configuration:
    """Make the configuration from a parsed ``postroom.toml`` and the environment. Raises `ConfigurationError`."""
    known = {field.name: field.default for field in fields(Configuration)}
    for name in file_values:
        if name not in known:
            raise ConfigurationError(f"postroom.toml: there is no setting {name!r}. Known: {', '.join(sorted(known))}.")
    values: dict[str, Any] = {}
    for name, default in known.items():
        variable = f"POSTROOM_{name.upper()}"
        if variable in environ:
            values[name] = _read(variable, environ[variable], default, name)
        elif name in file_values:
            values[name] = _read(f"postroom.toml: {name}", file_values[name], default, name)
    read_name_servers(values.get("dns_servers", ()))
    _check_networks(values.get("token_networks", ()))
    found = Configuration(**values)
    _check_sign_in(found)
    _check_model(found)
    return found


def _check_networks(words: Iterable[str]) -> None:
    for word in words:
        try:
            read_network(word)
        except ValueError:
            raise ConfigurationError(f"token_networks: {word!r} is no network, such as 10.1.2.0/24.") from None


def _check_model(found: Configuration) -> None:
    """Raises `ConfigurationError` for a model that could not be asked, or only in clear."""
    if not found.model_url:
        return
    if not keeps_secrets(found.model_url):
        raise ConfigurationError(
            "model_url: an address that begins with https:// is needed (http:// on this machine alone)."
        )
    if not found.model_name:
        raise ConfigurationError("model_url needs model_name, too.")


def _check_sign_in(found: Configuration) -> None:
    """Raises `ConfigurationError` for an identity provider that could not be used, or that anybody could use."""
    for name in ("sign_in_failures", "sign_in_pause", "session_idle", "session_life"):
        if not getattr(found, name):
            raise ConfigurationError(f"{name}: a number of 1 or more is needed.")
    if not found.oidc_issuer:
        return
    if not keeps_secrets(found.oidc_issuer):
        raise ConfigurationError("oidc_issuer: an address that begins with https:// is needed.")
    if not (found.oidc_client_id and found.oidc_client_secret):
        raise ConfigurationError("oidc_issuer needs oidc_client_id and oidc_client_secret, too.")
    if found.oidc_new_people and not found.oidc_domains:
        raise ConfigurationError(
            "oidc_new_people needs oidc_domains: else everybody whom the provider knows could come in."
        )


def read_name_servers(words: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """``192.0.2.53``, ``192.0.2.53:5353``, ``[2001:db8::53]:5353``: addresses with ports. Raises `ConfigurationError`."""
    found = []
    for word in words:
        host, colon, port = word.rpartition(":") if word.startswith("[") or word.count(":") == 1 else (word, "", "")
        if word.startswith("[") and word.endswith("]"):
            host, colon, port = word, "", ""
        try:
            address = str(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            raise ConfigurationError(f"dns_servers: {word!r} is no address of a name server.") from None
        if colon and not (port.isdigit() and 0 < int(port) < 65536):
            raise ConfigurationError(f"dns_servers: {word!r} has no port between 1 and 65535.")
        found.append((address, int(port) if colon else 53))
    return tuple(found)


def _read(where: str, given: object, default: object, name: str) -> object:
    for kind, reader in _READERS.items():
        if isinstance(default, kind):
            value = reader(where, given)
            break
    else:  # a setting of a kind that nobody reads is a mistake of ours
        raise TypeError(name)
    if name.endswith("_port") and not (isinstance(value, int) and 0 < value < 65536):
        raise ConfigurationError(f"{where}: a port lies between 1 and 65535, not {given!r}.")
    allowed = _CHOICES.get(name)
    if allowed and value not in allowed:
        raise ConfigurationError(f"{where}: {given!r} is not one of {', '.join(allowed)}.")
    return value


def _read_bool(where: str, given: object) -> bool:
    text = str(given).strip().lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off", ""):
        return False
    raise ConfigurationError(f"{where}: say true or false, not {given!r}.")


def _read_int(where: str, given: object) -> int:
    try:
        value = int(str(given).strip())
    except ValueError:
        raise ConfigurationError(f"{where}: a whole number is needed, not {given!r}.") from None
    if value < 0:
        raise ConfigurationError(f"{where}: a number of 0 or more is needed, not {given!r}.")
    return value


def _read_list(_where: str, given: object) -> tuple[str, ...]:
    parts = given if isinstance(given, list) else str(given).split(",")
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _read_text(where: str, given: object) -> str:
    if not isinstance(given, str):
        raise ConfigurationError(f"{where}: a text is needed, not {given!r}.")
    return given.strip()


# bool before int: a bool is an int too
_READERS: Mapping[type, Callable[[str, object], object]] = {
    bool: _read_bool,
    int: _read_int,
    Secret: lambda where, given: Secret(_read_text(where, given)),
    tuple: _read_list,
    str: _read_text,
}
