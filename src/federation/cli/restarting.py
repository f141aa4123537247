"""Asking a launcher for a rolling restart: a signal there, a file back.

Only on the machine and under the user of the gateway: nothing here goes over HTTP. The trap:
the launcher may end while we wait, and then nobody writes the answer.
"""

from __future__ import annotations

import os
import signal
import time

from federation.bootstrap import rolling
from federation.bootstrap.hold import Holder
from federation.cli import output
from federation.cli.failures import CommandFailed, Exit
from federation.cli.place import Place
from federation.config import paths

_LOOK_S = 0.1


def restart(place: Place, *, wait: bool, as_json: bool) -> None:
    """Ask for it, and unless told otherwise follow it to its end. Raises `CommandFailed`."""
    found = place.holder()
    # Before it listens it does not listen to signals either, and would end.
    if found is None or not found.pid or not found.url:
        raise _nobody(place)
    run = paths.run_dir(place.data_dir)
    before = rolling.progress(run)
    try:
        os.kill(found.pid, signal.SIGUSR2)
    except ProcessLookupError:  # it has just ended, or is another container's
        raise _nobody(place) from None
    except PermissionError as error:
        raise CommandFailed(
            f"The gateway is {found} and belongs to another user.",
            hint="Run the command as that user.",
            code="not_permitted",
            exit_code=Exit.REFUSED,
        ) from error
    if not wait:
        _tell(rolling.Progress(before.n + 1, "asked"), as_json=as_json)
        return
    with output.working("Replacing the workers ...", quiet=as_json):
        after = _followed(place, found, before.n)
    if after.state == rolling.FAILED:
        raise CommandFailed(
            "\n".join(after.said), code="restart_failed", details={"said": list(after.said)}
        )
    _tell(after, as_json=as_json)


def _nobody(place: Place) -> CommandFailed:
    return CommandFailed(
        f"No gateway runs on the data directory {place.data_dir}.",
        hint="Name another with --data; `federation serve` starts one.",
        code="not_running",
        exit_code=Exit.UNREACHABLE,
    )


def _followed(place: Place, asked: Holder, before: int) -> rolling.Progress:
    run = paths.run_dir(place.data_dir)
    while True:
        gone = place.holder() != asked
        progress = rolling.progress(run)
        if progress.n > before and progress.state != rolling.RUNNING:
            return progress
        if gone:
            raise CommandFailed(f"The gateway ended: {asked}.", code="not_running")
        time.sleep(_LOOK_S)


def _tell(progress: rolling.Progress, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"state": progress.state, "said": list(progress.said)})
        return
    for line in progress.said or ("The gateway was asked to replace its workers.",):
        output.say(line)
