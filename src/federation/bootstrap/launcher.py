"""`federation serve`: binds the socket, starts control and workers, restarts what dies.

Standard library only, for it lives as long as the service and must not be what breaks.

What the children are started with (inherited descriptors keep their numbers; the
environment passes through):

    python -P -m federation.bootstrap.control
        --data DIR --config DIR --run DIR --lifeline FD --beat FD --url URL --workers N [--open]
    python -P -m federation.bootstrap.worker
        --data DIR --config DIR --run DIR --lifeline FD --beat FD --fd FD --slot I --drain-s S
        [--ready FD]

`--fd` is the listening socket, `--slot` counts from 0, `--lifeline` the reading end of a
pipe that ends when the launcher is gone: a child then drains and exits by itself
(`bootstrap.lifeline`); at `--beat` it says that it still works, and one that has spoken
and falls silent for a minute is killed and started anew (`bootstrap.pulse`). SIGTERM means
drain and exit; SIGHUP to control means reload; SIGUSR2 to us means to replace the workers
one by one (`bootstrap.rolling`, which reads a byte from a replacement's `--ready` once that
answers). Exit code 78 at a child's first start: starting again is useless, and it becomes ours.
The trap: children are in process groups of their own, so a Ctrl-C in a terminal reaches the
launcher alone and the order of the shutdown (workers, then control) is kept.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from federation.bootstrap.hold import Held, Holder, hold, reserve
from federation.bootstrap.pulse import LOOK_S, LOOKS, Pulse
from federation.bootstrap.rolling import Rolling, forget

CONFIG_EXIT = 78
"""EX_CONFIG of sysexits.h."""
BACKLOG = 1024
STEADY_S = 10.0
"""A child that lived this long is restarted at once; others wait, longer each time."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
KILL_GRACE_S = 5.0
CONTROL_STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """What to launch. `run` holds the sockets; port 0 takes a free one."""

    host: str
    port: int
    workers: int
    data: Path
    config: Path
    run: Path
    drain_s: float = 30.0
    open: bool = False


@dataclass(slots=True)
class Child:
    """A process to keep alive, and how its starts went."""

    name: str
    argv: list[str]
    fds: tuple[int, ...]
    process: subprocess.Popen[bytes] | None = None
    pulse: Pulse | None = None
    started: float = 0.0
    starts: int = 0
    failures: int = 0
    due: float = 0.0

    def start(self, now: float) -> str:
        """Start it; why it could not be, if it could not: it is tried again then."""
        try:
            self.adopt(self.spawn(), now)
        except OSError as error:
            self.failures += 1
            self.due = now + max(FIRST_PAUSE_S, _pause(self.failures))
            return error.strerror or str(error)
        return ""

    def spawn(self, *more: str, fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        """A process of this kind, in a process group of its own, that is nobody's place yet."""
        return subprocess.Popen(  # noqa: S603  our own interpreter and modules
            # -P: else a module in the current directory could stand in for one of ours.
            [sys.executable, "-P", "-m", *self.argv, *more],
            pass_fds=(*self.fds, *fds),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )

    def adopt(self, process: subprocess.Popen[bytes], now: float) -> None:
        """Make a process the one that is kept alive."""
        self.process = process
        self.started = now
        self.starts += 1
        if self.pulse is not None:
            self.pulse.begin()

    def reap(self, now: float) -> int | None:
        """Its exit code if it has just been found dead; plans the next start."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.process = None
        self.failures = 0 if now - self.started >= STEADY_S else self.failures + 1
        self.due = now + _pause(self.failures)
        return code

    def end_silent(self) -> bool:
        """Kill it where it has not spoken for too long; whether that was just found."""
        if self.process is None or self.pulse is None or (looks := self.pulse.look()) < LOOKS:
            return False
        self.process.kill()
        return looks == LOOKS

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self.process is not None:
            self.process.send_signal(number)


def _pause(failures: int) -> float:
    """How long to wait after so many early deaths in a row. The first is free."""
    if failures <= 1:
        return 0.0
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 2, 16), LONGEST_PAUSE_S)


def run(options: LaunchOptions) -> int:
    """Launch and supervise until told to stop; the exit code.

    0 after SIGTERM or SIGINT, 1 where the address is taken or not ours or the data directory
    is in use or cannot be used, 78 where the configuration cannot be used. Must run in the
    main thread (signals).
    """
    if problem := data_problem(options.data, options.run):
        print(problem, file=sys.stderr)
        return 1
    try:
        with hold(options.run) as held:
            try:
                listener = _bind(options.host, options.port)
            except OSError as error:
                print(_bind_problem(options, error), file=sys.stderr)
                return 1
            with listener:
                forget(options.run)
                # Noted when signals are ours: whoever reads it may send one at once.
                supervisor = Supervisor(options, listener)
                return supervisor.run(lambda: held.note(url(listener)))
    except Held as found:
        print(in_use(options.data, found.holder), file=sys.stderr)
        return 1


def in_use(data: Path, holder: Holder) -> str:
    """That another launcher works on a data directory, and what to do."""
    return (
        f"The data directory {data} is in use by {holder}. Stop it, or choose another with --data."
    )


def data_problem(data: Path, run: Path) -> str:
    """Makes the directories that the children write to; why that fails, else nothing."""
    for directory in (data, data / "journal", run):
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(directory, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if directory == run:
                reserve(run)
        except OSError as error:
            return (
                f"The data directory {data} cannot be used: {directory}: {error.strerror}. "
                "Mend it, or choose another with --data."
            )
    return ""


def address_problem(options: LaunchOptions) -> str:
    """Why the address cannot be listened on right now, else nothing."""
    try:
        _bind(options.host, options.port).close()
    except OSError as error:
        return _bind_problem(options, error)
    return ""


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:  # an over-long label is one
        raise OSError(errno.EINVAL, "No name of a host") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_problem(options: LaunchOptions, error: OSError) -> str:
    place = f"{options.host}:{options.port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"Another program already listens on {place}. "
            "Stop it, or choose another port with --port."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen on {place}. Choose a port above 1023 with --port."
    return f"Cannot listen on {place}: {error.strerror}. Check --host and --port."


@dataclass(slots=True)
class Supervisor:
    """The launcher's loop: waits for signals and deaths, acts, waits again."""

    options: LaunchOptions
    listener: socket.socket
    control: Child = field(init=False)
    workers: list[Child] = field(init=False)
    rolling: Rolling = field(init=False)
    pulses: list[Pulse] = field(default_factory=list)
    look_at: float = 0.0
    """When we listen next whether every child still works."""
    stopping: int = 0
    """How many times we were told to stop; the second is an order to hurry."""

    def run(self, on_signals: Callable[[], None] = lambda: None) -> int:
        """Supervise until stopped; the exit code. `on_signals` is called once we hear them."""
        reading, writing = os.pipe()
        try:
            self._plan(reading)
            with _wakeups(self._on_signal) as wake:
                on_signals()
                return self._supervise(wake)
        finally:
            os.close(writing)
            os.close(reading)
            for pulse in self.pulses:
                pulse.close()

    def _plan(self, lifeline: int) -> None:
        options = self.options
        shared = [
            f"--data={options.data}",
            f"--config={options.config}",
            f"--run={options.run}",
            f"--lifeline={lifeline}",
        ]
        fd = self.listener.fileno()
        control = ["federation.bootstrap.control", *shared]
        control += [f"--url={url(self.listener)}", f"--workers={options.workers}"]
        control += ["--open"] * options.open
        self.control = self._child("control", control, lifeline)
        worker = ["federation.bootstrap.worker", *shared, f"--fd={fd}"]
        worker += [f"--drain-s={options.drain_s:g}"]
        self.workers = [
            self._child(f"worker {slot}", [*worker, f"--slot={slot}"], lifeline, fd)
            for slot in range(options.workers)
        ]
        self.rolling = Rolling(self.workers, options.drain_s, options.run, _tell)

    def _child(self, name: str, argv: list[str], *fds: int) -> Child:
        pulse = Pulse()
        self.pulses.append(pulse)
        return Child(name, [*argv, f"--beat={pulse.saying}"], (*fds, pulse.saying), pulse=pulse)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.control.signal(signal.SIGHUP)
        elif number == signal.SIGUSR2:
            self.rolling.wanted = True
        elif number in (signal.SIGTERM, signal.SIGINT):
            self.stopping += 1

    def _supervise(self, wake: socket.socket) -> int:
        _tell(f"listening on {url(self.listener)}")
        while not self.stopping:
            now = time.monotonic()
            for child in (self.control, *self.workers):
                code = child.reap(now)
                if code is not None:
                    _tell(f"{child.name} ended with {_meaning(code)}")
                    if code == CONFIG_EXIT and child.starts == 1:
                        self._stop(wake)
                        return CONFIG_EXIT
                if child.process is None and child.due <= now and (why := child.start(now)):
                    _tell(f"{child.name} cannot be started: {why}")
            self._listen(now)
            self.rolling.step(now)
            _sleep(wake, self._idle_s(now), *self.rolling.pipes)
        self._stop(wake)
        return 0

    def _listen(self, now: float) -> None:
        if now >= self.look_at:
            self.look_at = now + LOOK_S
            for child in (self.control, *self.workers):
                if child.end_silent():
                    _tell(f"{child.name} has said nothing for {LOOKS * LOOK_S:g} s and is killed")

    def _idle_s(self, now: float) -> float:
        """How long there is nothing to do unless something happens."""
        waits = [c.due - now for c in (self.control, *self.workers) if c.process is None]
        rolling = self.rolling.wait_s(now)
        waits.append(self.look_at - now)
        return min(waits if rolling is None else [*waits, rolling])

    def _stop(self, wake: socket.socket) -> None:
        """Workers first, so that control's last ingest finds all that they wrote."""
        self.listener.close()
        others = [Child(name, [], (), process) for name, process in self.rolling.stop()]
        self._end(wake, [*self.workers, *others], self.options.drain_s + KILL_GRACE_S)
        self._end(wake, [self.control], CONTROL_STOP_S)

    def _end(self, wake: socket.socket, children: list[Child], within_s: float) -> None:
        told = self.stopping
        for child in children:
            child.signal(signal.SIGTERM)
        end = time.monotonic() + within_s
        while living := [c for c in children if c.process is not None and c.process.poll() is None]:
            left = end - time.monotonic()
            if left <= 0 or self.stopping > max(told, 1):
                for child in living:
                    _tell(f"{child.name} is killed")
                    child.signal(signal.SIGKILL)
                for child in living:
                    assert child.process is not None  # noqa: S101  it was living above
                    child.process.wait()
                return
            _sleep(wake, left)


def url(listener: socket.socket) -> str:
    """Where a client on this machine finds the listener."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  compared with, not bound to
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _wakeups(on_signal: object) -> Iterator[socket.socket]:
    """Route our signals to `on_signal` and make a socket readable at each of them."""
    wake, poke = socket.socketpair()
    wake.setblocking(False)
    poke.setblocking(False)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
    before = {number: signal.signal(number, on_signal) for number in numbers}  # type: ignore[arg-type]
    old = signal.set_wakeup_fd(poke.fileno(), warn_on_full_buffer=False)
    try:
        yield wake
    finally:
        signal.set_wakeup_fd(old)
        for number, action in before.items():
            signal.signal(number, action)
        wake.close()
        poke.close()


def _sleep(wake: socket.socket, timeout_s: float | None, *pipes: int) -> None:
    """Wait for a signal, for one of the pipes, or as long as given."""
    with selectors.DefaultSelector() as selector:
        selector.register(wake, selectors.EVENT_READ)
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        ready = selector.select(None if timeout_s is None else max(timeout_s, 0.0))
        if any(key.fileobj is wake for key, _ in ready):
            wake.recv(4096)


def _meaning(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _tell(message: str) -> None:
    print(f"federation: {message}", file=sys.stderr, flush=True)
