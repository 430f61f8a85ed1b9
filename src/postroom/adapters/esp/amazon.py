"""Amazon SES through boto3, as anymail's backend uses it; the mail leaves as it is.

Laws: key, region and address are the server's, whatever environment and profiles of the machine say; one try, for only the pool
knows what may be sent again.
"""

from __future__ import annotations

from functools import lru_cache
from threading import Lock
from typing import Any

import boto3
import botocore.session
from anymail.backends.amazon_ses import AmazonSESBasePayload, AmazonSESV2SendEmailPayload, EmailBackend
from botocore.config import Config
from botocore.exceptions import ConnectionError as NoConnection

from postroom.adapters.esp.messages import RawMessage
from postroom.core.delivery.providers import API_URL
from postroom.core.delivery.wire import ApiEndpoint

_making = Lock()  # sessions of boto3 are not for several threads


class AmazonPayload(AmazonSESV2SendEmailPayload):
    message: RawMessage

    def init_payload(self) -> None:
        AmazonSESBasePayload.init_payload(self)
        self.all_recipients: list[object] = []

    def generate_raw_message(self) -> bytes:
        return self.message.raw

    def set_metadata(self, metadata: dict[str, str]) -> None:
        """As message tags: they come back in events, and the mail stays as it is."""
        self.params["EmailTags"] = [{"Name": name, "Value": value} for name, value in metadata.items()]


class AmazonBackend(EmailBackend):
    endpoint: ApiEndpoint
    _was_asked = False

    def open(self) -> Any:
        with _making:
            is_new = super().open()
        self.client.meta.events.register("before-send.sesv2", self._note)
        return is_new

    def _note(self, **_: Any) -> None:
        """Called by botocore right before it connects; None lets it go on."""
        self._was_asked = True

    def forget(self) -> None:
        """A new mail begins."""
        self._was_asked = False

    def was_written(self, error: BaseException) -> bool:
        """Whether the request may have gone to the wire before this error."""
        return self._was_asked and not isinstance(error, NoConnection)

    def build_message_payload(self, message: RawMessage, defaults: object) -> AmazonPayload:
        return AmazonPayload(message, defaults, self)


def make_amazon_backend(endpoint: ApiEndpoint, settings: dict[str, Any]) -> AmazonBackend:
    return AmazonBackend(
        session_params=_session_of(endpoint),
        client_params=_client_of(endpoint),
        configuration_set_name=endpoint.option("configuration_set") or None,
        message_tag_name=None,
        **settings,
    )


def ask_account(endpoint: ApiEndpoint) -> str:
    """What SES says of the account, in words. Raises botocore's errors."""
    with _making:
        client = boto3.session.Session(**_session_of(endpoint)).client("sesv2", **_client_of(endpoint))
    try:
        account = client.get_account()
    finally:
        client.close()
    quota = account.get("SendQuota", {})
    kind = (
        ""
        if account.get("ProductionAccessEnabled", True)
        else " It is in the sandbox: only verified addresses get mail."
    )
    return f"{quota.get('SentLast24Hours', 0):g} of {quota.get('Max24HourSend', 0):g} mails a day are used.{kind}"


@lru_cache(maxsize=1)
def _loader() -> Any:
    """What botocore read of its tables, for all sessions: making a client takes a tenth of the time."""
    return botocore.session.Session().get_component("data_loader")


def _session_of(endpoint: ApiEndpoint) -> dict[str, Any]:
    session = botocore.session.Session()
    session.register_component("data_loader", _loader())
    return {
        "botocore_session": session,
        "aws_access_key_id": endpoint.option("access_key_id"),
        "aws_secret_access_key": endpoint.secret.reveal(),
        "region_name": endpoint.option("region"),
    }


def _client_of(endpoint: ApiEndpoint) -> dict[str, Any]:
    config = Config(
        connect_timeout=endpoint.connect_timeout,
        read_timeout=endpoint.reply_timeout,
        retries={"total_max_attempts": 1, "mode": "standard"},
        proxies={},
        ignore_configured_endpoint_urls=True,
        max_pool_connections=1,
    )
    return {"config": config, "verify": True, "endpoint_url": endpoint.option(API_URL) or None}
