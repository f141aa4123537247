"""Requests that name themselves (`Idempotency-Key`): done once, answered alike ever after.

The trap is an answer that holds a new secret. It is kept sealed under a key that takes the
client's own name for the request, of which only a keyed hash is kept: neither the store nor
the master key is enough to read it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from federation.control.tenancy_ports import AnswerStore
from federation.control.threads import Errands
from federation.domain.access import VirtualKey
from federation.errors import InvalidRequest, Unavailable
from federation.storage.sealing import Sealer
from federation.storage.tenancy_entries import Answer

log = logging.getLogger(__name__)

KEPT_MS: Final = 86_400_000
UNDER_WAY_MS: Final = 60_000
"""How long a request may take; after a crash its name is free again then."""
NAME_LIMIT: Final = 255
_UNKNOWN: Final = 500
"""The status of a request that failed half-way; no answer of it is kept."""


@dataclass(frozen=True, slots=True)
class Said:
    """An answer as it went out."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)


_said = msgspec.msgpack.Decoder(Said)


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that one request has for itself until it is done."""

    answer: Answer
    sealer: Sealer = field(repr=False)


class Once:
    """The names of one gateway's requests. A name is one key's own."""

    def __init__(
        self,
        store: AnswerStore,
        hash_key: bytes,
        errands: Errands,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._key = hmac.digest(hash_key, b"federation/idempotency/1", "sha256")
        self._errands = errands
        self._clock = clock

    async def begin(self, asker: VirtualKey, name: str, request: bytes) -> Claim | Said:
        """The claim, or what was answered the first time.

        Raises `InvalidRequest`: 409 while the first request is under way or where it failed
        half-way, 422 where the name stood for another request, 400 where it cannot be a name.
        """
        if not 0 < len(name) <= NAME_LIMIT:
            message = f"An Idempotency-Key has 1 to {NAME_LIMIT} characters."
            raise InvalidRequest(message, param="Idempotency-Key")
        now_ms = int(self._clock() * 1000)
        spelled = name.encode("utf-8", "surrogatepass")
        answer = Answer(
            asker.tenant,
            asker.id,
            hmac.digest(self._key, b"name/" + spelled, "sha256").hex(),
            hashlib.sha256(request).hexdigest(),
            now_ms + UNDER_WAY_MS,
        )
        sealer = Sealer(hmac.digest(self._key, b"seal/" + spelled, "sha256"))
        found = await self._errands.run(self._store.begin, answer, now_ms)
        if found is None:
            return Claim(answer, sealer)
        if found.digest != answer.digest:
            message = "This Idempotency-Key stood for another request. Take a new one."
            raise InvalidRequest(message, status=422, code="idempotency_key_reused")
        if not found.status:
            raise InvalidRequest(
                "The first request of this Idempotency-Key is still under way.",
                status=409,
                code="request_under_way",
                retry_after_s=1.0,
            )
        if not found.sealed:
            raise InvalidRequest(
                "The first request of this Idempotency-Key failed on our side, and may have been "
                "done all the same. Look whether it was, then take a new Idempotency-Key.",
                status=409,
                code="outcome_unknown",
            )
        return _said.decode(sealer.open(found.tenant, found.name, found.sealed))

    async def finish(self, claim: Claim, said: Said) -> None:
        """Keep what was answered. What is done is told even where the store keeps nothing: the
        name counts as under way then, as it does after a crash."""
        answer = claim.answer
        sealed = claim.sealer.seal(answer.tenant, answer.name, msgspec.msgpack.encode(said))
        await self._keep(replace(answer, status=said.status, sealed=sealed))

    async def fail(self, claim: Claim) -> None:
        """Nobody knows what was done: the name stands, so that it is not done twice."""
        await self._keep(replace(claim.answer, status=_UNKNOWN))

    async def _keep(self, answer: Answer) -> None:
        expires_ms = int(self._clock() * 1000) + KEPT_MS
        try:
            await self._errands.run(self._store.finish, replace(answer, expires_ms=expires_ms))
        except Unavailable as error:
            log.warning("an answer is not kept for its name", extra={"reason": str(error)})

    async def forget(self, claim: Claim) -> None:
        """Nothing was done: the name is free for another try."""
        answer = claim.answer
        await self._errands.run(self._store.forget, answer.tenant, answer.key, answer.name)
