"""A worker's end of the link to control: it listens, and reconnects for ever.

Safe for a worker to import. The trap: control may be away at any time, and that is no
error. The worker goes on with what it holds; `send` says False and nothing is queued.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Protocol

import msgspec

from federation.control.frames import (
    frame,
    read_frame,
    to_worker,
    unpack_budgets,
    unpack_limits,
    unpack_ring,
    unpack_snapshot,
    unpack_tokens,
)
from federation.domain.budgets import Budget
from federation.domain.limits import Limit
from federation.domain.sign_in import TokenRing
from federation.domain.snapshot import KeyRing, Snapshot
from federation.schema.limits import LimitGrant, LimitRecall, ToRates
from federation.schema.link import (
    Beat,
    Board,
    BudgetsFrame,
    FromWorker,
    Hello,
    KeyRingFrame,
    LeaseGrant,
    LimitsFrame,
    NamesKey,
    SnapshotFrame,
    SpoolKey,
    SpoolKeyTaken,
    TokenRingFrame,
    ToWorker,
)
from federation.schema.money import MoneyAck, MoneyBeat, MoneyGrant, MoneyTight, ToPurse

log = logging.getLogger(__name__)

EAGER_PAUSE_S = 0.02
EAGER_TRIES = 250
"""At first a worker waits for a control that is just starting: every pause is cold start."""
PATIENT_PAUSE_S = 0.25
SEND_LIMIT = 8 * 1024 * 1024
"""Bytes that may wait for a control that does not read, before `send` says no."""


class Follower(Protocol):
    """What a worker does with what control says. Each is called on the loop, in the order of the
    frames, and must not block it.

    One that raises ends the link with its exception: the worker is then better off restarted
    than deciding under half a state.
    """

    def connected(self) -> None:
        """Control is there, perhaps another one than before."""

    def follow_snapshot(self, snapshot: Snapshot) -> None:
        """Decide under this configuration."""

    def follow_keys(self, ring: KeyRing) -> None:
        """Know these virtual keys, and no others."""

    def follow_tokens(self, ring: TokenRing) -> None:
        """Trust the tokens of these issuers, and of no others."""

    def follow_budgets(self, budgets: tuple[Budget, ...]) -> None:
        """Obey these budgets, and no others."""

    def follow_limits(self, limits: tuple[Limit, ...], tiers: dict[str, str]) -> None:
        """Obey these limits, and no others; `tiers` says which a key or tenant is on."""

    def hear_board(self, board: Board) -> None:
        """What other workers measured."""

    def hear_beat(self, beat: Beat) -> None:
        """Control lives, and how it is."""

    def hear_money(self, message: ToPurse) -> None:
        """Money was granted, or settled, or grows short."""

    def hear_grant(self, grant: LeaseGrant) -> None:
        """A slice of a provider's limit was granted."""

    def hear_rates(self, message: ToRates) -> None:
        """A slice of a client's limit was granted, or is wanted back."""

    def take_names_key(self, key: NamesKey) -> None:
        """The key by which records call users."""

    def take_spool_key(self, key: SpoolKey) -> None:
        """The key that contents are sealed with on their way to control."""


class WorkerLink:
    """The link of one worker."""

    def __init__(self, path: Path, hello: Hello, follower: Follower) -> None:
        self._path = path
        self._hello = hello
        self._follower = follower
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Whether control is there just now, and reads what it is told."""
        writer = self._writer
        return writer is not None and writer.transport.get_write_buffer_size() <= SEND_LIMIT

    def send(self, message: FromWorker) -> bool:
        """Send without waiting; False where control is away or does not read."""
        writer = self._writer
        if writer is None or not self.connected:
            return False
        writer.write(frame(message))
        return True

    async def run(self) -> None:
        """Keep the link up until cancelled."""
        tries = 0
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                tries += 1
            else:
                tries = 0 if await self._session(reader, writer) else EAGER_TRIES
            await asyncio.sleep(EAGER_PAUSE_S if tries < EAGER_TRIES else PATIENT_PAUSE_S)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One connection to its end; True where control said anything at all."""
        heard = False
        try:
            writer.write(frame(self._hello))
            self._writer = writer
            self._follower.connected()
            while (message := await read_frame(reader, to_worker)) is not None:
                await self._take(message)
                heard = True
        except msgspec.DecodeError as error:
            log.error("control speaks another version", extra={"reason": str(error)})  # noqa: TRY400
            heard = False
        finally:
            self._writer = None
            writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        return heard

    async def _take(self, message: ToWorker) -> None:
        follower = self._follower
        match message:
            case Beat():
                follower.hear_beat(message)
            case Board():
                follower.hear_board(message)
            case MoneyGrant() | MoneyAck() | MoneyTight() | MoneyBeat():
                follower.hear_money(message)
            case LeaseGrant():
                follower.hear_grant(message)
            case LimitGrant() | LimitRecall():
                follower.hear_rates(message)
            case NamesKey():
                follower.take_names_key(message)
            case SpoolKey():
                follower.take_spool_key(message)
                self.send(SpoolKeyTaken(message.id))
            case KeyRingFrame() | TokenRingFrame() | BudgetsFrame() | LimitsFrame():
                self._follow(message)
            case SnapshotFrame():
                # Milliseconds, in which the loop would serve nobody. No frame is read meanwhile.
                snapshot = await asyncio.to_thread(unpack_snapshot, message.payload)
                follower.follow_snapshot(snapshot)

    def _follow(self, message: KeyRingFrame | TokenRingFrame | BudgetsFrame | LimitsFrame) -> None:
        follower = self._follower
        match message:
            case KeyRingFrame():
                follower.follow_keys(unpack_ring(message.payload))
            case TokenRingFrame():
                follower.follow_tokens(unpack_tokens(message.payload))
            case BudgetsFrame():
                follower.follow_budgets(unpack_budgets(message.payload))
            case LimitsFrame():
                follower.follow_limits(*unpack_limits(message.payload))
