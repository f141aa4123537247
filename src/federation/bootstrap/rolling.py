"""A rolling restart: one worker after another is replaced, and no call fails for it.

Standard library only, as the launcher is, whose loop drives it. A replacement is started
beside its predecessor on the same listening socket, and says by a byte in a pipe that it
answers; only then is the predecessor told to drain. The trap: a replacement that never comes
so far must cost nothing. It is ended, the old one goes on, and so do those not replaced yet.

Where a rolling restart stands is written to a file in the run directory, for the command that
asked for it (`federation restart`): a signal can carry the wish, but not the answer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

NAME = "restart.json"
RUNNING, DONE, FAILED = "running", "done", "failed"
READY_S = 30.0
"""A replacement gets this long to come so far that it answers."""
KILL_GRACE_S = 5.0
_SIZE_LIMIT = 65_536

Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Progress:
    """A rolling restart: its number since the launcher started, its state, what was said."""

    n: int = 0
    state: str = DONE
    said: tuple[str, ...] = ()


class Slot(Protocol):
    """A place among the workers, whose process can be exchanged."""

    name: str
    process: Process | None

    def spawn(self, *more: str, fds: tuple[int, ...] = ()) -> Process:
        """Start a process for it that takes nobody's place yet. Raises `OSError`."""
        ...

    def adopt(self, process: Process, now: float) -> None:
        """Make a process the one of this place."""
        ...


@dataclass(slots=True)
class _Coming:
    """A replacement that does not answer yet."""

    slot: Slot
    process: Process
    pipe: int
    """Its end at our side: a byte says that it answers."""
    until: float


@dataclass(slots=True)
class _Going:
    """A predecessor that drains."""

    slot: Slot
    process: Process
    until: float


@dataclass(slots=True)
class Rolling:
    """Replaces workers one by one. `step` acts on what has happened and never waits."""

    slots: Sequence[Slot]
    drain_s: float
    run: Path
    tell: Callable[[str], None]
    wanted: bool = False
    """Set from a signal handler. While one rolling restart runs, another follows it."""
    _queue: deque[Slot] = field(default_factory=deque)
    _coming: _Coming | None = None
    _going: _Going | None = None
    _progress: Progress = Progress()

    @property
    def pipes(self) -> tuple[int, ...]:
        """Descriptors that become readable when there is something to do."""
        return () if self._coming is None else (self._coming.pipe,)

    def wait_s(self, now: float) -> float | None:
        """How long nothing has to be done, unless a pipe or a signal says otherwise."""
        under_way = self._coming or self._going
        return None if under_way is None else max(0.0, under_way.until - now)

    def step(self, now: float) -> None:
        """Do what can be done now."""
        if self._progress.state != RUNNING:
            if not self.wanted:
                return
            self.wanted = False
            self._queue.extend(self.slots)
            self._report(Progress(self._progress.n + 1, RUNNING))
        if self._coming is not None:
            self._await_replacement(self._coming, now)
        elif self._going is not None:
            self._await_end(self._going, now)
        else:
            self._next(now)

    def stop(self) -> list[tuple[str, Process]]:
        """End the rolling restart; the processes that are nobody's place now, by name."""
        left = []
        if self._coming is not None:
            os.close(self._coming.pipe)
            left.append((_replacement(self._coming.slot), self._coming.process))
        if self._going is not None:
            left.append((_former(self._going.slot), self._going.process))
        self._coming = self._going = None
        if self._progress.state == RUNNING:
            self._finish(FAILED, "the service stops")
        return left

    def _next(self, now: float) -> None:
        if not self._queue:
            self._finish(DONE, "every worker is replaced")
            return
        slot = self._queue.popleft()
        pipe, told = os.pipe()
        try:
            process = slot.spawn(f"--ready={told}", fds=(told,))
        except OSError as error:
            os.close(pipe)
            self._fail(slot, f"could not be started: {error.strerror}")
            return
        finally:
            os.close(told)
        os.set_blocking(pipe, False)
        self._coming = _Coming(slot, process, pipe, now + READY_S)

    def _await_replacement(self, coming: _Coming, now: float) -> None:
        code = coming.process.poll()
        if code is not None:
            self._give_up(coming, f"ended with code {code} before it answered")
        elif _answers(coming.pipe):
            self._exchange(coming, now)
        elif now >= coming.until:
            coming.process.kill()
            coming.process.wait()
            self._give_up(coming, f"did not answer within {READY_S:g} s")

    def _exchange(self, coming: _Coming, now: float) -> None:
        os.close(coming.pipe)
        self._coming = None
        slot, old = coming.slot, coming.slot.process
        slot.adopt(coming.process, now)
        self._say(f"{slot.name} is process {coming.process.pid} now")
        # Where it has died meanwhile and was not started again yet, there is nobody to end.
        if old is not None:
            old.send_signal(signal.SIGTERM)
            self._going = _Going(slot, old, now + self.drain_s + KILL_GRACE_S)
        self.step(now)

    def _await_end(self, going: _Going, now: float) -> None:
        if going.process.poll() is None:
            if now < going.until:
                return
            self._say(f"{_former(going.slot)} is killed: it did not end in time")
            going.process.kill()
            going.process.wait()
        self._going = None
        self.step(now)

    def _give_up(self, coming: _Coming, why: str) -> None:
        os.close(coming.pipe)
        self._coming = None
        self._fail(coming.slot, why)

    def _fail(self, slot: Slot, why: str) -> None:
        self._queue.clear()
        self._finish(FAILED, f"{_replacement(slot)} {why}; the workers that run go on")

    def _finish(self, state: str, why: str) -> None:
        self._say(f"rolling restart {state}: {why}")
        self._report(Progress(self._progress.n, state, self._progress.said))

    def _say(self, message: str) -> None:
        self.tell(message)
        progress = self._progress
        self._report(Progress(progress.n, progress.state, (*progress.said, message)))

    def _report(self, progress: Progress) -> None:
        self._progress = progress
        path = self.run / NAME
        draft = path.with_suffix(".new")
        text = json.dumps({"n": progress.n, "state": progress.state, "said": progress.said})
        try:
            draft.write_text(text, "utf-8")
            draft.replace(path)
        except OSError as error:
            # Whoever asked is left without an answer; the workers are replaced all the same.
            self.tell(f"{path} cannot be written: {error.strerror}")


def forget(run: Path) -> None:
    """Remove what a former launcher wrote, for numbers begin anew. Raises `OSError`."""
    (run / NAME).unlink(missing_ok=True)


def progress(run: Path) -> Progress:
    """The newest rolling restart of a run directory; number 0 where there was none."""
    try:
        with (run / NAME).open("rb") as file:
            found = json.loads(file.read(_SIZE_LIMIT))
        return Progress(int(found["n"]), str(found["state"]), tuple(map(str, found["said"])))
    except (OSError, ValueError, KeyError, TypeError):
        return Progress()


def _answers(pipe: int) -> bool:
    try:
        return os.read(pipe, 1) != b""
    except BlockingIOError:
        return False


def _replacement(slot: Slot) -> str:
    return f"{slot.name}'s replacement"


def _former(slot: Slot) -> str:
    return f"{slot.name}'s predecessor"
