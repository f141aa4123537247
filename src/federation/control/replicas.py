"""The other replicas: which there are, what they have changed, how providers are doing for them.

What another replica has changed is put in force when a notice of it comes, in milliseconds;
while notices may not come, keys and budgets are looked at twice a second. The trap: nothing here
may hold up or end a replica whose neighbors, store or Redis are away. It goes on by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec

from federation.control.threads import Errands
from federation.errors import Unavailable
from federation.schema.link import Measure
from federation.storage.replicas import Replica
from federation.storage.tables_replicas import BUDGETS, CONFIGURATION, KEYS

log = logging.getLogger(__name__)

BEAT_S: Final = 3.0
PROMPT_S: Final = 2.0
"""An answer that took longer does not tell what time it is."""
APART_S: Final = 5.0
"""By which two clocks may differ before it is told."""
LOOK_S: Final = 0.5
"""Between two looks while no notice would come: a key revoked elsewhere is to end in a second."""
LOOK_LONG_S: Final = 5.0
"""The same for what takes long to put together."""
NEWS_S: Final = 0.25
MOST_NEWS: Final = 16
"""Measures of one deployment that are passed on at a time; of more, every so-manieth."""


class ReplicaStore(Protocol):
    """The replicas on a store, by the store's own clock."""

    def beat(self, replica: str, workers: int) -> list[Replica]:
        """Say that a replica lives, with so many workers; all that are known."""
        ...

    def leave(self, replica: str) -> None:
        """Be no longer waited for. Idempotent."""
        ...


class ChangeBell(Protocol):
    """Tells of changes as they are made."""

    @property
    def sound(self) -> bool:
        """Whether changes are being heard."""
        ...

    def start(self) -> None:
        """Listen from now on."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class NewsRelay(Protocol):
    """Passes bytes on to everybody, ourselves too, as far as that is possible just now."""

    def start(self, heard: Callable[[bytes], None]) -> None:
        """Call `heard`, in a thread, with whatever anybody passes on."""
        ...

    def send(self, news: bytes) -> None:
        """Pass on; what cannot be is dropped."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


class News(msgspec.Struct, frozen=True, array_like=True):
    """What the workers of one replica measured."""

    replica: str
    measures: list[Measure]


_news = msgspec.msgpack.Decoder(News)


class Replicas:
    """One replica's view of all of them; for one event loop."""

    def __init__(
        self,
        name: str,
        store: ReplicaStore,
        bell: Callable[[Callable[[str], None]], ChangeBell],
        relay: NewsRelay | None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.known: Sequence[Replica] = ()
        """Everybody on the store, ourselves too, as of the last beat."""
        self._store = store
        self._relay = relay
        self._clock = clock
        self._wall = wall
        self._errands = Errands("replicas")
        self._sender = Errands("news")
        self._heard: set[str] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell = bell(self._ring)
        self._fresh: dict[str, list[Measure]] = {}
        self._told = False
        self._common_s: float | None = None
        """By how much the database's time is before our steady clock."""
        self._apart = False

    @property
    def sound(self) -> bool:
        """Whether changes are heard, rather than looked for."""
        return self._bell.sound

    def others(self) -> int:
        """How many workers live at other replicas."""
        return sum(each.workers for each in self.known if each.alive and each.id != self.name)

    def now(self) -> float:
        """Unix seconds by the database's clock, which all replicas have in common: what they count
        together in windows would be let go again and again by two clocks that differ."""
        return self._wall() if self._common_s is None else self._clock() + self._common_s

    def saw(self, measures: Sequence[Measure]) -> None:
        """Our workers measured this: let the others know soon."""
        if self._relay is not None:
            for measure in measures:
                self._fresh.setdefault(measure.deployment, []).append(measure)

    def start(
        self,
        refresh: Callable[[Collection[str]], Awaitable[None]],
        workers: Callable[[], int],
        note: Callable[[list[Measure]], None],
    ) -> list[asyncio.Task[None]]:
        """Live among them from now on; the tasks go on for ever. `refresh` puts in force what
        others may have changed of these topics; `note` hears what they measured."""
        self._loop = asyncio.get_running_loop()
        self._bell.start()
        tasks = [asyncio.create_task(self._follow(refresh, workers))]
        if self._relay is not None:
            self._relay.start(lambda news: self._soon(self._take, news, note))
            tasks.append(asyncio.create_task(self._tell()))
        return tasks

    async def close(self) -> None:
        """Leave, where that can be said."""
        try:
            await self._errands.run(self._leave)
        finally:
            self._errands.close()
            self._sender.close()

    def _leave(self) -> None:
        self._bell.close()
        if self._relay is not None:
            self._relay.close()
        with contextlib.suppress(Unavailable):  # they see by themselves that we are gone
            self._store.leave(self.name)

    async def _follow(
        self,
        refresh: Callable[[Collection[str]], Awaitable[None]],
        workers: Callable[[], int],
    ) -> None:
        beat_s = long_s = self._clock()
        deaf = True
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()
            topics, self._heard = self._heard, set()
            now_s = self._clock()
            if deaf or not self._bell.sound:
                # Once more after it is sound again, for what was said while it was not.
                deaf = not self._bell.sound
                topics |= {KEYS, BUDGETS}
                if not deaf or now_s >= long_s:
                    topics.add(CONFIGURATION)
                    long_s = now_s + LOOK_LONG_S
            try:
                if now_s >= beat_s:
                    self.known = await self._errands.run(self._store.beat, self.name, workers())
                    beat_s = now_s + BEAT_S
                    self._compare(now_s)
                if topics:
                    await refresh(topics)
                self._told = False
            except Unavailable as error:
                self._heard |= topics
                if not self._told:
                    log.warning("the other replicas wait", extra={"reason": str(error)})
                self._told = True

    def _compare(self, asked_s: float) -> None:
        """Take the database's time from an answer to what was asked then, where it came soon."""
        heard_s = self._clock()
        if not self.known or heard_s - asked_s > PROMPT_S:
            return
        self._common_s = self.known[0].now_ms / 1000 - (asked_s + heard_s) / 2
        ahead_s = self._wall() - self.now()
        if (apart := abs(ahead_s) > APART_S) and not self._apart:
            message = "the clock differs from the database's: what ends by time ends at another one"
            log.error(message, extra={"seconds_ahead": round(ahead_s)})
        self._apart = apart

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(NEWS_S)
            fresh, self._fresh = self._fresh, {}
            if fresh and self._relay is not None:
                news = News(self.name, [one for few in fresh.values() for one in thinned(few)])
                await self._sender.run(self._relay.send, msgspec.msgpack.encode(news))

    def _take(self, news: bytes, note: Callable[[list[Measure]], None]) -> None:
        try:
            said = _news.decode(news)
        except msgspec.DecodeError:
            return  # a replica of another version
        if said.replica != self.name and said.measures:
            # Their clock is not ours, and what is passed on at once is of now.
            now_ms = int(self._wall() * 1000)
            note([msgspec.structs.replace(each, at_ms=now_ms) for each in said.measures])

    def _ring(self, topic: str) -> None:
        self._soon(self._hear, topic)

    def _hear(self, topic: str) -> None:
        self._heard.add(topic)
        self._wake.set()

    def _soon(self, what: Callable[..., None], *args: object) -> None:
        """From another thread; nothing once the loop has ended."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what, *args)


def thinned(measures: Sequence[Measure]) -> Sequence[Measure]:
    """At most `MOST_NEWS` of them, spread evenly, so that their share of failures stays."""
    if len(measures) <= MOST_NEWS:
        return measures
    return [measures[n * len(measures) // MOST_NEWS] for n in range(MOST_NEWS)]
