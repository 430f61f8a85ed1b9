"""The doors: SMTP and LMTP on their ports, several processes on the same ones.

Duty: listen, let sessions in, and end without breaking a mail that is under way.
Laws: a mail is acknowledged by `flows.accept_message` alone, after its commit; a recipient is judged by
`flows.check_recipient` alone, by which the router judges too. Nobody waits for a database in the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from postroom.core.diagnosis.signs import SIGN_EVERY
from postroom.core.routing.verdicts import RecipientVerdict
from postroom.core.terms.configuration import Configuration, ConfigurationError
from postroom.flows.accept_message import Arrival, accept_messages
from postroom.flows.check_recipient import check_recipients
from postroom.flows.ports import Ports
from postroom.wiring import ports as wired_ports
from postroom.workers.group_commit import Desk
from postroom.workers.limits import DoorLimits, limits_from
from postroom.workers.loops import fastest_loop
from postroom.workers.reception import Reception
from postroom.workers.signs import Signs
from postroom.workers.smtp_session import LmtpSession, SmtpSession

logger = logging.getLogger(__name__)

BACKLOG = 512

Accept = Callable[[Sequence[Arrival]], Sequence[int]]
Check = Callable[[Sequence[str]], Mapping[str, RecipientVerdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a door listens; port 0 takes any free one."""

    host: str
    port: int


class Door:
    """The SMTP and the LMTP door of one process, for the event loop in which `start` is called.

    ``smtp`` or ``lmtp`` None leaves that door shut. After `start`, `smtp_port` and `lmtp_port` are the real ones.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        smtp: Address | None,
        lmtp: Address | None,
        limits: DoorLimits | None = None,
        accept: Accept | None = None,
        check: Check | None = None,
    ) -> None:
        self._ports = ports
        self._places = {SmtpSession: smtp, LmtpSession: lmtp}
        self._limits = limits or limits_from(ports.configuration)
        self._accept = accept or partial(accept_messages, ports)
        self._check = check or partial(check_recipients, ports)
        self._reception: Reception | None = None
        self._servers: dict[type[SmtpSession], asyncio.Server] = {}

    @property
    def smtp_port(self) -> int:
        return self._port(SmtpSession)

    @property
    def lmtp_port(self) -> int:
        return self._port(LmtpSession)

    async def start(self) -> None:
        """Listen. Raises `OSError` when a port cannot be had, `ConfigurationError` when the certificate cannot be used."""
        reception = self._reception = Reception(
            hostname=self._ports.configuration.hostname,
            limits=self._limits,
            clock=self._ports.clock,
            ids=self._ports.ids,
            recipients=Desk("recipients", partial(_verdicts, self._check)),
            arrivals=Desk("arrivals", self._accept, weigh=lambda arrival: len(arrival.raw)),
            tls=tls_context(self._ports.configuration),
        )
        try:
            for kind, place in self._places.items():
                if place is not None:
                    self._servers[kind] = await self._listen(place, partial(kind, reception))
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shut the door; mails under way are finished within `DoorLimits.stop_patience`, then connections are cut."""
        if self._reception is None:
            return
        reception, self._reception = self._reception, None
        reception.is_closing = True
        for server in self._servers.values():
            server.close()
        for session in tuple(reception.sessions):
            session.say_goodbye()
        try:
            async with asyncio.timeout(self._limits.stop_patience):
                await reception.is_empty.wait()
        except TimeoutError:
            for session in tuple(reception.sessions):
                session.abort()
            await reception.is_empty.wait()
        self._servers.clear()
        await reception.recipients.close()
        await reception.arrivals.close()

    async def run_between(self, work: Callable[[], None]) -> None:
        """Where mail is accepted, between two groups; and after the other desk has answered, too."""
        if self._reception is not None:
            await self._reception.recipients.run_between(lambda: None)
            await self._reception.arrivals.run_between(work)

    async def _listen(self, place: Address, session: Callable[[], SmtpSession]) -> asyncio.Server:
        """Several doors share a port only if they are said to: another installation must not get half of our mail."""
        return await asyncio.get_running_loop().create_server(
            session,
            place.host,
            place.port,
            backlog=BACKLOG,
            reuse_address=True,
            reuse_port=self._ports.configuration.doors > 1 and hasattr(socket, "SO_REUSEPORT"),
        )

    def _port(self, kind: type[SmtpSession]) -> int:
        return int(self._servers[kind].sockets[0].getsockname()[1])


def _verdicts(check: Check, addresses: Sequence[str]) -> list[RecipientVerdict]:
    """One question for all recipients that were named in the last moment."""
    found = check(tuple(dict.fromkeys(addresses)))
    return [found[address] for address in addresses]


def tls_context(configuration: Configuration) -> ssl.SSLContext | None:
    """For STARTTLS, TLS 1.2 and newer; None when no certificate is configured. Raises `ConfigurationError`."""
    certificate, key = configuration.tls_certificate, configuration.tls_key
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        names = f"tls_certificate {certificate}" + (f" and tls_key {key}" if key else "")
        raise ConfigurationError(f"{names} cannot be used: {error}.") from error
    return context


def run_door() -> None:
    """The SMTP and LMTP doors of the configuration, until SIGTERM or SIGINT."""
    ports = wired_ports()
    configuration = ports.configuration
    door = Door(
        ports,
        smtp=Address(host=configuration.smtp_host, port=configuration.smtp_port),
        lmtp=Address(host=configuration.lmtp_host, port=configuration.lmtp_port),
    )
    try:
        with asyncio.Runner(loop_factory=fastest_loop()) as runner:
            runner.run(_serve(door))
    except (OSError, ConfigurationError) as error:
        logger.error("the doors stay shut: %s", error)
        raise SystemExit(1) from error


async def _serve(door: Door) -> None:
    stop = asyncio.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(which, stop.set)
    await door.start()
    logger.info("the doors are open", extra={"smtp_port": door.smtp_port, "lmtp_port": door.lmtp_port})
    signs = Signs("door")
    giving = asyncio.create_task(_give(signs, door))
    await stop.wait()
    giving.cancel()
    await door.run_between(signs.end)
    await door.stop()
    logger.info("the doors are shut")


async def _give(signs: Signs, door: Door) -> None:
    """As long as the loop turns and both desks answer."""
    while True:
        await door.run_between(signs.give)
        await asyncio.sleep(SIGN_EVERY)
