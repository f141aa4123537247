"""The life of the control process: configuration, store, link, ingest, management API.

The trap is the order: workers cannot answer anyone before they have a snapshot, so all that a
snapshot does not need, the web framework above all, is imported after it is out.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from federation.bootstrap import lifeline
from federation.bootstrap.composition import compose
from federation.bootstrap.footing import undermined
from federation.bootstrap.loop import run_loop
from federation.bootstrap.options import Options, options
from federation.control.control import Control
from federation.errors import ConfigError, Unavailable
from federation.storage.engine import FILE, LOCAL
from federation.telemetry import logs

log = logging.getLogger(__name__)

CONFIG_EXIT = 78
ORPHAN_WAIT_S = 60.0
"""How long workers may take to leave when the launcher is gone."""
GREETING_S = 1.0
"""How long the API waits for a worker to have its snapshot: building it takes the interpreter
from the link just when a worker asks."""


async def run(control: Control, given: Options) -> int:
    """Serve until told to stop, then take in what is left; the exit code.

    It is 1 where a bug has ended a task, or nobody finds us any more: the launcher then starts
    another control.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    orphaned = asyncio.Event()

    def on_orphaned() -> None:
        orphaned.set()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, control.reload)
    if given.lifeline is not None:
        lifeline.watch(given.lifeline, on_orphaned)
    if given.beat is not None:
        lifeline.beat(given.beat)
    await control.start()
    api = asyncio.create_task(_serve_api(control, given.run / "api.sock", stop))
    stopped = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(control.ended())
    store = [given.data / name for name in (FILE, LOCAL)]
    lost = asyncio.create_task(undermined(given.run / "link.sock", store))
    await asyncio.wait((api, stopped, ended, lost), return_when=asyncio.FIRST_COMPLETED)
    fault, unfound = control.fault(), not lost.cancel()
    if fault is not None:
        log.critical("control cannot go on", exc_info=fault)
    stop.set()
    try:
        await control.stop(ORPHAN_WAIT_S if orphaned.is_set() else 0.0)
    finally:
        await asyncio.gather(api, ended)
    return 1 if fault is not None or unfound else 0


class _Api(Protocol):
    async def run(self) -> None: ...

    def stop(self) -> None: ...


def _api(control: Control, path: Path) -> _Api:
    # A third of a second of imports, wanted only once workers have their snapshot.
    from federation.api.app import create_app  # noqa: PLC0415
    from federation.api.internal import Internal  # noqa: PLC0415
    from federation.api.server import ApiServer  # noqa: PLC0415

    server = ApiServer(Internal(create_app(control), control), path)
    # All that was imported stays for good: it need not be looked through ever again.
    gc.collect()
    gc.freeze()
    gc.enable()
    return server


async def _serve_api(control: Control, path: Path, stop: asyncio.Event) -> None:
    """Serve the API until told to stop; its building must not hold up the link."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(control.link.greeted.wait(), GREETING_S)
    api = await asyncio.to_thread(_api, control, path)
    serving = asyncio.create_task(api.run())
    await asyncio.wait(
        (serving, stopped := asyncio.create_task(stop.wait())), return_when=asyncio.FIRST_COMPLETED
    )
    stopped.cancel()
    api.stop()
    await serving


def live(argv: Sequence[str]) -> int:
    """Run control until it is told to stop; the exit code, 78 where the configuration is bad.

    The collector of garbage is to rest until the API is up, which wakes it.
    """
    logs.configure("control")
    given = options(argv)
    try:
        control = compose(given, os.environ)
    except ConfigError as error:
        print(f"The configuration cannot be used:\n{error}", file=sys.stderr, flush=True)
        return CONFIG_EXIT
    except Unavailable as error:
        # The launcher starts another, later and later: workers go on with what they hold.
        print(f"federation: {error.message}", file=sys.stderr, flush=True)
        return 1
    return run_loop(run(control, given))
