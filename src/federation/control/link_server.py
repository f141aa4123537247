"""Control's end of the link: greets workers, tells them what changed, hears their reports.

The trap: a worker may stop reading. Nothing waits for it; a worker that leaves more than
`BACKLOG_LIMIT` unread is cut off, and hears everything anew when it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path

import msgspec

from federation.control.frames import (
    frame,
    from_worker,
    pack_budgets,
    pack_limits,
    pack_tokens,
    read_frame,
)
from federation.domain.sign_in import TokenRing
from federation.schema.limits import FromRates, LimitAsk, LimitHeld, LimitUsed, ToRates
from federation.schema.link import (
    Beat,
    Board,
    BudgetsFrame,
    Condition,
    FromWorker,
    Hello,
    KeyRingFrame,
    LeaseAsk,
    LeaseGrant,
    LimitsFrame,
    Measure,
    NamesAsk,
    NamesKey,
    NamesSeen,
    Report,
    SnapshotFrame,
    SpoolKey,
    SpoolKeyTaken,
    TokenRingFrame,
    ToWorker,
)
from federation.schema.money import FromPurse, MoneyAsk, MoneyReport, ToPurse

log = logging.getLogger(__name__)

Answer = Callable[[ToPurse], None]
"""Sends to the worker that asked, if it is still there."""

RatesAnswer = Callable[[ToRates], None]

BEAT_S = 1.0
BOARD_LENGTH = 4096
"""Measures kept for workers that come later."""
BOARD_AGE_MS = 60_000
"""Who comes later takes measures for news: older ones would open circuits long recovered."""
BACKLOG_LIMIT = 64 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Session:
    """One connected worker."""

    writer: asyncio.StreamWriter
    hello: Hello
    since_ms: int
    reported_ms: int = 0
    gauges: dict[str, float] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    spool_key: str = ""
    """The one that it seals with now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEvents:
    """Who hears what workers say and do. A worker is named by its journal's writer."""

    report: Callable[[Report], None]
    joined: Callable[[], None] = lambda: None
    left: Callable[[str], None] = lambda _: None
    """The link to a worker is down."""
    money: Callable[[str, FromPurse, Answer], None] = lambda *_: None
    """What a worker says of money, and how to answer."""
    rates: Callable[[str, FromRates, RatesAnswer], None] = lambda *_: None
    """The same for limits."""
    names: Callable[[NamesAsk | NamesSeen], None] = lambda _: None
    """What a worker says of the users whom calls name."""


class LinkServer:
    """Serves the link on a Unix socket that only its owner can reach.

    `lease` answers a request for a part of an allowance, given how many workers there are to
    share it.
    """

    def __init__(
        self,
        path: Path,
        *,
        events: WorkerEvents,
        lease: Callable[[LeaseAsk, int], LeaseGrant],
        store_writable: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._events = events
        self._lease = lease
        self._store_writable = store_writable
        self._clock = clock
        self._snapshot = b""
        self._keys = b""
        self._budgets = frame(BudgetsFrame(pack_budgets(())))
        self._tokens = frame(TokenRingFrame(pack_tokens(TokenRing())))
        self._spool_key = b""
        self._names: dict[str, bytes] = {}
        self._limits = frame(LimitsFrame(pack_limits((), {})))
        self._board: deque[Measure] = deque(maxlen=BOARD_LENGTH)
        self._sessions: set[Session] = set()
        self.greeted = asyncio.Event()
        """Set once any worker was told everything that it needs to answer."""
        self._alone = asyncio.Event()
        self._alone.set()
        self._server: asyncio.Server | None = None
        self._beats: asyncio.Task[None] | None = None
        self._serving: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def sessions(self) -> list[Session]:
        """The workers connected now, in the order of their slots."""
        return sorted(self._sessions, key=lambda session: session.hello.worker)

    async def start(self) -> None:
        """Listen; a socket file left by a dead process is replaced."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))
        self._path.chmod(0o600)
        self._beats = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        """Hang up on everyone and stop listening. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        if self._beats is not None:
            self._beats.cancel()
        serving = [task for task in self._serving.values() if task is not None]
        for writer in self._serving:
            # Not a cancel: asyncio reports a cancelled connection callback as an error.
            writer.transport.abort()
        await asyncio.gather(*serving, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def left(self, within_s: float) -> bool:
        """Wait so long for every worker to leave; whether they did."""
        try:
            await asyncio.wait_for(self._alone.wait(), within_s)
        except TimeoutError:
            return False
        return True

    def publish_snapshot(self, payload: bytes) -> None:
        """Make this snapshot the one in force, here and on every worker."""
        self._snapshot = frame(SnapshotFrame(payload))
        self._tell(self._snapshot)

    def publish_keys(self, payload: bytes) -> None:
        """Make this key ring the one in force, here and on every worker."""
        self._keys = frame(KeyRingFrame(payload))
        self._tell(self._keys)

    def note(self, measures: list[Measure]) -> None:
        """Let every worker, and those that come soon, take these for news."""
        self._board.extend(measures)
        self._tell(frame(Board(measures)))

    def publish_budgets(self, payload: bytes) -> None:
        """Make these budgets the ones in force on every worker."""
        self._budgets = frame(BudgetsFrame(payload))
        self._tell(self._budgets)

    def publish_spool_key(self, key: SpoolKey) -> None:
        """Have every worker seal with this key; `Session.spool_key` says which of them do."""
        self._spool_key = frame(key)
        self._tell(self._spool_key)

    def publish_names(self, key: NamesKey) -> None:
        """Have every worker name a tenant's users with this key."""
        self._names[key.tenant] = frame(key)
        self._tell(self._names[key.tenant])

    def publish_limits(self, payload: bytes) -> None:
        """Make these limits the ones in force on every worker."""
        self._limits = frame(LimitsFrame(payload))
        self._tell(self._limits)

    def tell_rates(self, message: ToRates) -> None:
        """Send what is about limits to every worker."""
        self._tell(frame(message))

    def publish_tokens(self, payload: bytes) -> None:
        """Make these signers the ones that every worker believes."""
        self._tokens = frame(TokenRingFrame(payload))
        self._tell(self._tokens)

    def tell_purses(self, message: ToPurse) -> None:
        """Send what is about money to every worker."""
        self._tell(frame(message))

    def _tell(self, data: bytes, but: Session | None = None) -> None:
        for session in list(self._sessions):
            if session is but:
                continue
            transport = session.writer.transport
            if transport.get_write_buffer_size() > BACKLOG_LIMIT:
                transport.abort()
                continue
            session.writer.write(data)

    async def _beat(self) -> None:
        while True:
            self._tell(frame(self._now_beat()))
            await asyncio.sleep(BEAT_S)

    def _now_beat(self) -> Beat:
        return Beat(int(self._clock() * 1000), self._store_writable())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving[writer] = asyncio.current_task()
        try:
            await self._converse(reader, writer)
        except msgspec.DecodeError as error:
            log.error("a worker speaks another version", extra={"reason": str(error)})  # noqa: TRY400
        finally:
            self._serving.pop(writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await read_frame(reader, from_worker)
        if not isinstance(hello, Hello):
            return
        session = Session(writer, hello, int(self._clock() * 1000))
        greeting: list[ToWorker] = [self._now_beat()]
        oldest_ms = session.since_ms - BOARD_AGE_MS
        if recent := [measure for measure in self._board if measure.at_ms > oldest_ms]:
            greeting.append(Board(sorted(recent, key=attrgetter("at_ms"))))
        state = self._spool_key + self._snapshot + self._tokens + self._keys
        state += self._budgets + self._limits + b"".join(self._names.values())
        writer.write(state + b"".join(map(frame, greeting)))
        self._sessions.add(session)
        self.greeted.set()
        self._alone.clear()
        self._events.joined()
        try:
            while (message := await read_frame(reader, from_worker)) is not None:
                self._take(session, message)
        finally:
            self._sessions.discard(session)
            self._events.left(session.hello.writer)
            if not self._sessions:
                self._alone.set()

    def _take(self, session: Session, message: FromWorker) -> None:
        match message:
            case Report():
                session.reported_ms = int(self._clock() * 1000)
                session.gauges = message.gauges
                session.conditions = message.conditions
                self._events.report(message)
                if message.measures:
                    self._board.extend(message.measures)
                    self._tell(frame(Board(message.measures)), but=session)
            case LeaseAsk():
                grant = self._lease(message, max(1, len(self._sessions)))
                session.writer.write(frame(grant))
            case MoneyAsk() | MoneyReport():
                answer = partial(self._answer, session)
                self._events.money(session.hello.writer, message, answer)
            case LimitAsk() | LimitUsed() | LimitHeld():
                say = partial(self._answer, session)
                self._events.rates(session.hello.writer, message, say)
            case NamesAsk() | NamesSeen():
                self._events.names(message)
            case SpoolKeyTaken():
                session.spool_key = message.id

    def _answer(self, session: Session, message: ToPurse | ToRates) -> None:
        """To a worker that may have left meanwhile."""
        if session in self._sessions:
            session.writer.write(frame(message))
