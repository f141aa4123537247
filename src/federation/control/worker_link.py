"""A worker's end of the link to control: it listens, and reconnects for ever.

Safe for a worker to import. The trap: control may be away at any time, and that is no
error. The worker goes on with what it holds; `send` says False and nothing is queued.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path

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
    Drain,
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


class WorkerLink:
    """The link of one worker. Callbacks run on the loop, in the order of the frames.

    A callback that raises ends `run` with its exception: the worker is then better off
    restarted than deciding under half a state.
    """

    def __init__(
        self,
        path: Path,
        hello: Hello,
        *,
        on_snapshot: Callable[[Snapshot], None],
        on_keys: Callable[[KeyRing], None],
        on_board: Callable[[Board], None],
        on_beat: Callable[[Beat], None],
        on_grant: Callable[[LeaseGrant], None],
        on_drain: Callable[[Drain], None],
        on_budgets: Callable[[tuple[Budget, ...]], None] = lambda _: None,
        on_tokens: Callable[[TokenRing], None] = lambda _: None,
        on_money: Callable[[ToPurse], None] = lambda _: None,
        on_connected: Callable[[], None] = lambda: None,
        on_spool_key: Callable[[SpoolKey], None] = lambda _: None,
        on_limits: Callable[[tuple[Limit, ...], dict[str, str]], None] = lambda *_: None,
        on_rates: Callable[[ToRates], None] = lambda _: None,
        on_names: Callable[[NamesKey], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._hello = hello
        self._on_snapshot = on_snapshot
        self._on_keys = on_keys
        self._on_board = on_board
        self._on_beat = on_beat
        self._on_grant = on_grant
        self._on_drain = on_drain
        self._on_budgets = on_budgets
        self._on_tokens = on_tokens
        self._on_money = on_money
        self._on_connected = on_connected
        self._on_spool_key = on_spool_key
        self._on_limits = on_limits
        self._on_rates = on_rates
        self._on_names = on_names
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Whether control is there just now."""
        return self._writer is not None

    def send(self, message: FromWorker) -> bool:
        """Send without waiting; False where control is away or does not read."""
        writer = self._writer
        if writer is None or writer.transport.get_write_buffer_size() > SEND_LIMIT:
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
            self._on_connected()
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
        match message:
            case Beat():
                self._on_beat(message)
            case Board():
                self._on_board(message)
            case MoneyGrant() | MoneyAck() | MoneyTight() | MoneyBeat():
                self._on_money(message)
            case LeaseGrant():
                self._on_grant(message)
            case LimitGrant() | LimitRecall():
                self._on_rates(message)
            case NamesKey():
                self._on_names(message)
            case LimitsFrame():
                self._on_limits(*unpack_limits(message.payload))
            case SpoolKey():
                self._on_spool_key(message)
                self.send(SpoolKeyTaken(message.id))
            case KeyRingFrame() | TokenRingFrame() | BudgetsFrame():
                self._follow(message)
            case SnapshotFrame():
                # Milliseconds, in which the loop would serve nobody. No frame is read meanwhile.
                self._on_snapshot(await asyncio.to_thread(unpack_snapshot, message.payload))
            case Drain():
                self._on_drain(message)

    def _follow(self, message: KeyRingFrame | TokenRingFrame | BudgetsFrame) -> None:
        match message:
            case KeyRingFrame():
                self._on_keys(unpack_ring(message.payload))
            case TokenRingFrame():
                self._on_tokens(unpack_tokens(message.payload))
            case BudgetsFrame():
                self._on_budgets(unpack_budgets(message.payload))
