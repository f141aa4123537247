"""Has what a loop's files were given on the disk, for all who wait at once: a group commit.

A thread of its own runs one sync after the other. What is written while one runs is on the disk
with the next, so a disk that takes two milliseconds holds up no loop, and a hundred answers wait
no longer than one. The traps: what a sync covers is settled when it begins, not when it was asked
for; and a line may name what stands in another file, so that file goes to the disk before it.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from federation.errors import EvidenceUnwritable

_SWITCH_S: Final = 0.0005
"""How long a busy loop may keep the interpreter from the thread that syncs."""
_END_S: Final = 10.0
"""As long may the last sync take."""
_SOON_S: Final = 0.02
"""How long a line that nobody waits for may wait for others: most calls take longer."""

log = logging.getLogger(__name__)


class Mark(Protocol):
    """What a sync of a file covers."""

    def sync(self) -> None:
        """Have it on the disk. Raises `EvidenceUnwritable`."""
        ...

    def release(self) -> None:
        """It will not be synced again."""
        ...


M = TypeVar("M", bound=Mark)


class Committed(Protocol[M]):
    """A file whose lines are numbered, written by the loop's thread alone."""

    @property
    def written(self) -> int:
        """The number of its last line."""
        ...

    @property
    def safe(self) -> int:
        """The number of the line up to which nothing is to be done: all of them are on the disk,
        or were given up with a sync that failed."""
        ...

    @property
    def pending(self) -> bool:
        """There are lines that are to be synced though nobody waits for them."""
        ...

    def mark(self) -> M | None:
        """What stands in it now and is not safe; None where all is. Called in another thread.
        Raises `EvidenceUnwritable`."""
        ...

    def confirm(self, mark: M) -> None:
        """All of this is on the disk."""
        ...

    def distrust(self, mark: M) -> None:
        """The sync of this has failed: what failed is given up, and nothing more is written
        there. Nothing is where none could be tried."""
        ...


File: TypeAlias = Committed[Any]


class GroupCommit:
    """Syncs the files of one event loop.

    `files` stand in the order in which they must not run ahead of each other: what a line of the
    first names is in one of the others, and was written there before it.
    """

    def __init__(self) -> None:
        self.files: list[File] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: Thread | None = None
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._busy = False
        """A sync was asked for whose end we have not heard of."""
        self._soon: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[File, int, asyncio.Future[None]]] = deque()

    def note(self) -> None:
        """Something was written: have it on the disk soon. Call it on the loop."""
        if self._soon is None and not self._busy:
            self._soon = asyncio.get_running_loop().call_later(_SOON_S, self._ask)

    def _ask(self) -> None:
        """Begin a sync, unless one is under way: the next one follows it then."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        if self._busy:
            return
        if self._thread is None:
            try:
                self._thread = self._started()
            except RuntimeError as error:
                self._refuse(_unforeseen(error))
                self._follow()
                return
        self._busy = True
        self._asked.put(True)

    def _started(self) -> Thread:
        """The thread. Raises `RuntimeError` where the system has none to give."""
        self._loop = asyncio.get_running_loop()
        thread = Thread(target=self._run, name="group-commit", daemon=True)
        thread.start()
        sys.setswitchinterval(_SWITCH_S)
        return thread

    def wait(self, file: File) -> asyncio.Future[None]:
        """Done when all that this file was given is on the disk, with all that it names. Raises
        `EvidenceUnwritable`, `written`, where the disk refuses."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((file, file.written, future))
        self._ask()
        return future

    def close(self) -> None:
        """End the thread, and sync what is left. Raises `EvidenceUnwritable`, also where the disk
        has not answered after `_END_S`: a worker that has drained must come to its end. Where the
        system has no thread to give, the last sync holds up the caller. Idempotent."""
        ended: SimpleQueue[EvidenceUnwritable | None] = SimpleQueue()
        before, self._thread = self._thread, None

        def finish(within_s: float | None = None) -> None:
            if before is not None:
                self._asked.put(False)
                before.join(within_s)
            if before is None or not before.is_alive():
                ended.put(self._sync([]))

        wait_s = _END_S
        try:
            Thread(target=finish, name="last-commit", daemon=True).start()
        except RuntimeError:
            finish(wait_s)
            wait_s = 0
        try:
            why = ended.get(timeout=wait_s)
        except Empty:
            why = _unforeseen(TimeoutError(f"no answer for {_END_S:g} s"))
        if why is not None:
            raise why

    def _run(self) -> None:
        """The thread."""
        loop = self._loop
        assert loop is not None  # noqa: S101  `ask` has set it
        while self._asked.get():
            tried: list[tuple[File, Mark]] = []
            why = self._sync(tried)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._heard, tried, why)

    def _sync(self, tried: list[tuple[File, Mark]]) -> EvidenceUnwritable | None:
        """Sync all files, and enter what was tried; if one fails, it is the last of them, and why
        it failed is returned."""
        marks: list[tuple[File, Mark]] = []
        try:
            # The first file's mark comes first: what its lines up to there name was written
            # before, so that it is within the marks that follow.
            marks.extend((file, mark) for file in self.files if (mark := file.mark()))
            for file, mark in reversed(marks):
                tried.append((file, mark))
                mark.sync()
        except EvidenceUnwritable as why:
            return why
        except Exception as fault:
            # Whoever waits would wait for ever for a thread that died of it.
            log.exception("a sync ended unexpectedly")
            return _unforeseen(fault)
        finally:
            for _, mark in marks:
                mark.release()
        return None

    def _heard(self, tried: list[tuple[File, Mark]], why: EvidenceUnwritable | None) -> None:
        """On the loop: a sync is over."""
        self._busy = False
        if why is not None and tried:
            failed, mark = tried.pop()
            failed.distrust(mark)
        for file, mark in tried:
            file.confirm(mark)
        if why is None:
            self._release()
        else:
            self._refuse(why)
        self._follow()

    def _follow(self) -> None:
        """Have done what is still to do."""
        if self._waiting:
            self._ask()
        elif any(file.pending for file in self.files):
            self.note()

    def _release(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][1] <= waiting[0][0].safe:
            future = waiting.popleft()[2]
            if not future.done():
                future.set_result(None)

    def _refuse(self, why: EvidenceUnwritable) -> None:
        """Tell everybody: who came after the mark has written to what is not trusted, either."""
        waiting, self._waiting = self._waiting, deque()
        for _, _, future in waiting:
            if not future.done():
                fault = EvidenceUnwritable(why.message)
                fault.written = True
                future.set_exception(fault)
                future.exception()  # who waited may be gone: then nobody is to be told


def _unforeseen(fault: Exception) -> EvidenceUnwritable:
    return EvidenceUnwritable(
        f"The gateway cannot have its records on the disk ({type(fault).__name__}: {fault}), and "
        "serves no call without one. Try again later; its operator has to see to it."
    )
