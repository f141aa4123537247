"""The channels by which alerts are sent: a signed HTTP POST (a webhook), or an email.

A webhook is signed as Standard Webhooks 1.0 says: HMAC-SHA256 over id, time and body. The trap is
a receiver that answers with a redirect, or a name that leads inside: nothing is followed, and
addresses are judged by the transport like every other.
"""

from __future__ import annotations

import asyncio
import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import msgspec

from federation.config.sign_in_settings import AlertSettings, Mail, Webhook
from federation.credentials.endpoint import locate
from federation.domain.sign_in import AUDIENCE
from federation.errors import FederationError
from federation.ports import Transport
from federation.schema.http import Timeouts, WireRequest
from federation.storage.alerts_entries import Notice
from federation.telemetry.mail import Letter, MailFailed, Server, post

TIMEOUTS: Final = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=10.0, total_s=20.0)
_ANSWER_BYTES: Final = 64 * 1024
_ENCODED: Final = "whsec_"
EMAIL: Final = "email"
WEBHOOK: Final = "webhook/"

Post = Callable[[Server, Letter], None]


class Undelivered(Exception):
    """A channel did not take a notice; its text holds no secret."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Every channel of the settings, by its name."""

    transport: Transport
    settings: Callable[[], AlertSettings]
    resolve: Callable[[str], str | None]
    clock: Callable[[], float]
    post: Post = field(default=post)

    def names(self, tenant: str) -> list[str]:
        """The channels that are told of a tenant's alerts."""
        told = self.settings()
        hooks = [f"{WEBHOOK}{hook.name}" for hook in told.webhooks if _about(hook.tenants, tenant)]
        mail = told.email
        return [*hooks, EMAIL] if mail is not None and _about(mail.tenants, tenant) else hooks

    async def deliver(self, notice: Notice) -> None:
        """Tell one notice by its channel. Raises `Undelivered`."""
        told = self.settings()
        if notice.channel == EMAIL and told.email is not None:
            await self._mail(told.email, notice)
            return
        name = notice.channel.removeprefix(WEBHOOK)
        hook = next((each for each in told.webhooks if each.name == name), None)
        if hook is None or not notice.channel.startswith(WEBHOOK):
            raise Undelivered("the channel is configured no more")
        await self._call(hook, notice)

    async def _call(self, hook: Webhook, notice: Notice) -> None:
        secret = await asyncio.to_thread(self.resolve, hook.secret)
        if not secret:
            raise Undelivered("its secret cannot be read")
        body, at = notice.body.encode(), b"%d" % int(self.clock())
        name = notice.id.encode()
        headers = (
            (b"content-type", b"application/json"),
            (b"user-agent", b"federation"),
            (b"webhook-id", name),
            (b"webhook-timestamp", at),
            (b"webhook-signature", signature(secret, name, at, body)),
        )
        try:
            place = locate(hook.url, private=hook.private)
            request = WireRequest("POST", *place, headers, body)
            exchange = await self.transport.send(request, TIMEOUTS)
            try:
                await exchange.body(_ANSWER_BYTES)
            finally:
                await exchange.aclose()
        except FederationError as error:
            raise Undelivered(error.message) from error
        if not 200 <= exchange.status < 300:
            raise Undelivered(f"it answers with status {exchange.status}")

    async def _mail(self, mail: Mail, notice: Notice) -> None:
        named = mail.password
        password = None if named is None else await asyncio.to_thread(self.resolve, named)
        if mail.password is not None and not password:
            raise Undelivered("its password cannot be read")
        server = Server(mail.host, mail.port, mail.security, mail.username, password or "")
        letter = _letter(mail, notice)
        try:
            await asyncio.to_thread(self.post, server, letter)
        except MailFailed as error:
            raise Undelivered(str(error)) from error


def trusting(authorities: Callable[[], str]) -> Post:
    """A way to send letters that trusts these authorities (PEM), too, as they are at the time."""

    def context() -> ssl.SSLContext:
        made = ssl.create_default_context()
        if named := authorities():
            made.load_verify_locations(cadata=named)
        return made

    return partial(post, tls=context)


def signature(secret: str, name: bytes, at: bytes, body: bytes) -> bytes:
    """What a receiver compares: `v1,` and the base64 of the HMAC."""
    key = secret.encode()
    if secret.startswith(_ENCODED):
        try:
            key = b64decode(secret.removeprefix(_ENCODED), validate=True)
        except ValueError:
            raise Undelivered("what follows 'whsec_' in its secret is not base64") from None
    return b"v1," + b64encode(hmac.digest(key, b".".join((name, at, body)), "sha256"))


def _letter(mail: Mail, notice: Notice) -> Letter:
    told: dict[str, Any] = msgspec.json.decode(notice.body)
    lines = [f"{name}: {value}" for name, value in told.items() if value not in ("", None)]
    text = f"{told['summary']}\n\n" + "\n".join(lines) + "\n"
    return Letter(mail.sender, mail.to, f"[{AUDIENCE}] {told['summary']}", text, notice.id)


def _about(tenants: tuple[str, ...], tenant: str) -> bool:
    return not tenants or tenant in tenants
