"""Keep: what was said and answered in a call, where a setting or a policy asks for it.

Stands within the content checks: what is kept is what they let through. The trap is the order
at the end of a stream. The record of a call names what was kept of it, so the content is
spooled before the record is written, which is before the last bytes go out.
"""

from __future__ import annotations

from collections.abc import Awaitable
from hashlib import sha256
from typing import NamedTuple

import msgspec

from federation.domain.routes import PayloadKeeping
from federation.errors import EvidenceUnwritable, FederationError
from federation.gateway.call import AnyCall, C, Call, Handler
from federation.gateway.pseudonyms import user_of
from federation.gateway.stream import AnswerStream
from federation.gateway.world import World
from federation.governance.obligations import Obligations
from federation.schema.http import ClientReply
from federation.schema.payloads import UNKEPT, Payload
from federation.telemetry import metrics

LARGEST = 512 * 1024
"""Bytes that are kept of a request, and of an answer: to seal so much holds the loop for 10 ms."""

_encode = msgspec.json.Encoder().encode


class Wish(NamedTuple):
    """What is to be kept of a call's content."""

    days: int
    hashed: bool


def wished(
    keeping: PayloadKeeping, duties: Obligations | None, places: tuple[str, ...]
) -> Wish | None:
    """For how many days a call's content is kept, and as what; None: not at all. Policies win over
    the setting, and the shorter time over the longer; nothing is kept where it may not lie."""
    keep, days = keeping.keep, keeping.days
    if duties is not None:
        keep = keep if duties.keep_payloads is None else duties.keep_payloads
        days = days if duties.payload_days is None else duties.payload_days
        if keep and not duties.may_lie_in(places):
            return None
    return Wish(days, keep == "hashes") if keep else None


class ContentKeeper:
    """The stage; one for each worker."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, call: C, following: Handler[C]) -> Awaitable[ClientReply]:
        """Pass the call on and keep what became of it.

        Raises `EvidenceUnwritable` where its content must be kept and cannot be.
        """
        snapshot = self._world.current().snapshot
        wish = wished(snapshot.settings.payloads, call.duties, snapshot.store_regions)
        return following(call) if wish is None else self._kept(call, wish, following)

    async def _kept(self, call: C, wish: Wish, following: Handler[C]) -> ClientReply:
        self._world.payloads.check()
        reply = await following(call)
        body = reply.body
        if isinstance(body, AnswerStream):
            heard = Hashed() if wish.hashed else Heard()
            body.overhear(heard)

            def told(outcome: str, _: FederationError | None) -> None:
                cut = heard.cut or outcome != "ok"
                try:
                    self._keep(call, wish, heard.whole(), cut=cut)
                except EvidenceUnwritable:
                    # Nearly all of the answer is out: its record says what is missing.
                    call.account.payload = UNKEPT
                    self._world.meter.add(metrics.JOURNAL_ERRORS, ())

            body.on_end.append(told)
        elif isinstance(body, bytes):
            self._keep(call, wish, hash_of(body) if wish.hashed else body, cut=False)
        return reply

    def _keep(self, call: AnyCall, wish: Wish, answer: bytes, *, cut: bool) -> None:
        """`answer` is what is kept of it."""
        request = _said(call)
        if wish.hashed:
            request = hash_of(request)
        call.account.payload = self._world.payloads.keep(
            Payload(
                call=call.id,
                tenant=call.key.tenant,
                subject=subject_of(call),
                at_ms=call.started_ms,
                days=wish.days,
                operation=call.operation,
                salt=b"",
                request=request[:LARGEST],
                answer=answer[:LARGEST],
                cut=cut or len(request) > LARGEST or len(answer) > LARGEST,
                hashed=wish.hashed,
            )
        )


class Heard:
    """What a client gets of a stream, as far as it is kept."""

    def __init__(self) -> None:
        self.cut = False
        self._pieces: list[bytes] = []
        self._room = LARGEST

    def __call__(self, data: bytes) -> None:
        """Another piece."""
        if self._room:
            piece = data[: self._room]
            self._pieces.append(piece)
            self._room -= len(piece)
            self.cut = len(piece) < len(data)
        else:
            self.cut = self.cut or bool(data)

    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)


class Hashed:
    """The hash of what a client gets of a stream."""

    cut = False

    def __init__(self) -> None:
        self._sum = sha256()

    def __call__(self, data: bytes) -> None:
        """Another piece."""
        self._sum.update(data)

    def whole(self) -> bytes:
        """That of all of it."""
        return _written(self._sum.hexdigest())


def hash_of(content: bytes) -> bytes:
    """A content's hash, as it is kept in its place."""
    return _written(sha256(content).hexdigest())


def _written(digits: str) -> bytes:
    return b"sha256:" + digits.encode()


def subject_of(call: AnyCall) -> str:
    """Whose content it is: a user's, else the key's."""
    return user_of(call.key, call.glance) or f"key:{call.key.id}"


def _said(call: AnyCall) -> bytes:
    """The call's content as it went on."""
    if isinstance(call, Call) and call.reading.changed:
        return _encode(call.reading.canonical())
    return call.request.body
