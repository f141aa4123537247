"""The sandbox's process, as the command line starts it: alone, or behind `up`."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from federation.cli.failures import CommandFailed

START_S = 15.0
_LINE_LIMIT = 1_048_576


@dataclass(slots=True)
class Sandbox:
    """A running sandbox; it ends with `lifeline`, which is ours to keep open."""

    process: subprocess.Popen[bytes]
    lifeline: int
    ports: dict[str, int]
    rows: list[dict[str, Any]]


def start(
    *,
    port_base: int = 0,
    seed: int = 0,
    time_scale: float = 1.0,
    fault_models: bool = False,
) -> Sandbox:
    """Start it and wait until it listens. Raises `CommandFailed` where it does not."""
    reading, writing = os.pipe()
    ready_in, ready_out = os.pipe()
    argv = [
        *(sys.executable, "-P", "-m", "federation.bootstrap.sandbox"),
        *(f"--ready-fd={ready_out}", f"--lifeline={reading}"),
        *(f"--port-base={port_base}", f"--seed={seed}", f"--time-scale={time_scale:g}"),
        *(["--fault-models"] if fault_models else []),
    ]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            argv, pass_fds=(reading, ready_out), stdin=subprocess.DEVNULL, process_group=0
        )
    finally:
        os.close(reading)
        os.close(ready_out)
    try:
        ready = _ready(ready_in)
    except CommandFailed:
        os.close(writing)
        process.kill()
        process.wait()
        raise
    finally:
        os.close(ready_in)
    return Sandbox(process, writing, ready["ports"], ready["rows"])


def _ready(fd: int) -> dict[str, Any]:
    line = b""
    while not line.endswith(b"\n") and len(line) < _LINE_LIMIT:
        if not select.select([fd], [], [], START_S)[0] or not (piece := os.read(fd, 65_536)):
            raise CommandFailed(
                "The sandbox did not start.", hint="Its own message, if any, stands above."
            )
        line += piece
    found: dict[str, Any] = json.loads(line)
    return found


def show(*, port_base: int, seed: int, time_scale: float, fault_models: bool, as_json: bool) -> int:
    """Run it in the foreground until it is stopped; the exit code."""
    from federation.cli import output  # noqa: PLC0415 - start-up time

    with output.working("Starting the sandbox ...", quiet=as_json):
        sandbox = start(
            port_base=port_base, seed=seed, time_scale=time_scale, fault_models=fault_models
        )
    if as_json:
        output.print_json({"providers": sandbox.rows})
    else:
        output.table(
            ("Simulated provider", "Address", "Models"),
            [
                (row["id"], row["base_url"], [m["id"] for m in row["models"]])
                for row in sandbox.rows
            ],
        )
        output.say(
            "Their rows for providers.yaml: federation sandbox --json. `federation up` on a "
            "machine where nothing is configured starts them by itself. Ctrl-C stops."
        )
    sys.stdout.flush()
    return wait(sandbox)


def wait(sandbox: Sandbox) -> int:
    """Until it ends, or we are told to."""

    def stop(number: int, frame: object) -> None:
        sandbox.process.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return sandbox.process.wait()
    finally:
        for number, action in before.items():
            signal.signal(number, action)
        os.close(sandbox.lifeline)
