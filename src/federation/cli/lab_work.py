"""The lab in the foreground: rows and routes to paste, then a table of what it sees.

It runs in this process: it has no state worth keeping, and ends with Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import Any

import yaml
from rich.live import Live
from rich.table import Table
from rich.text import Text

from federation.cli import output
from federation.cli.failures import CommandFailed
from federation.sandbox.lab import Lab
from federation.sandbox.lab_log import Seen
from federation.sandbox.lab_rows import provider_rows, route_rows

_SHOWN = 20
_REFRESH_S = 0.25


def run(*, port: int, seed: int, pace_s: float, as_json: bool) -> int:
    """Serve until stopped; the exit code. Raises `CommandFailed` where the port is taken."""
    return asyncio.run(_serve(Lab(seed=seed, pace_s=pace_s), port, as_json=as_json))


async def _serve(lab: Lab, port: int, *, as_json: bool) -> int:
    try:
        await lab.start(port)
    except OSError as error:
        raise CommandFailed(
            f"The lab cannot listen on 127.0.0.1:{port}: {error.strerror}.",
            hint="Choose another --port; 0 takes a free one.",
        ) from None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        _introduce(lab, as_json=as_json)
        if as_json or not output.console().is_terminal:
            await stop.wait()
        else:
            await _watch(lab, stop)
    finally:
        await lab.aclose()
    return 0


def _introduce(lab: Lab, *, as_json: bool) -> None:
    providers = provider_rows(lab.port, lab.refused_port)
    routes = route_rows()
    if as_json:
        output.print_json(
            {
                "url": f"http://127.0.0.1:{lab.port}",
                "providers": providers,
                "routes": routes,
            }
        )
    else:
        output.say(page(providers, routes))
        output.say(
            f"The lab listens on 127.0.0.1:{lab.port}. Its log: /lab/log; its faults: /lab. "
            "Ctrl-C stops."
        )
    sys.stdout.flush()


def page(providers: list[dict[str, Any]], routes: list[dict[str, Any]]) -> str:
    """Both files as YAML, models one a line."""
    lines = ["# config/providers.yaml", "providers:"]
    for row in providers:
        head = {name: value for name, value in row.items() if name != "models"}
        lines += _row(head)
        lines += [f"      - {_flow(model)}" for model in row["models"]]
    lines += ["", "# config/federation.yaml", "routes:"]
    return "\n".join([*lines, *(f"  - {_flow(route)}" for route in routes), ""])


def _row(head: dict[str, Any]) -> list[str]:
    pairs = [f"{name}: {_flow(value)}" for name, value in head.items()]
    return [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:]), "    models:"]


def _flow(value: Any) -> str:
    written: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
    return written.removesuffix("\n...\n").strip()


async def _watch(lab: Lab, stop: asyncio.Event) -> None:
    with Live(_table(lab), console=output.console(), auto_refresh=False) as live:
        while not stop.is_set():
            live.update(_table(lab), refresh=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _REFRESH_S)


def _table(lab: Lab) -> Table:
    made = Table(
        title=f"{lab.connections} connections, {lab.in_flight} in flight", title_justify="left"
    )
    for column in ("#", "Provider", "Model", "Asked", "Played", "Status", "Tokens", "Seconds"):
        right = column in ("#", "Tokens", "Seconds")
        made.add_column(column, justify="right" if right else "left", overflow="fold")
    made.add_column("Over")
    for seen in lab.log.entries[-_SHOWN:]:
        made.add_row(*map(Text, _cells(seen)))
    return made


def _cells(seen: Seen) -> tuple[str, ...]:
    asked = seen.dialect or seen.path
    if seen.dialect:
        asked += " stream" if seen.stream else " whole"
    if seen.continuation:
        asked += f", {seen.continuation} after {seen.begun}"
    return (
        str(seen.id),
        seen.provider or "-",
        seen.model or "-",
        asked,
        seen.play or "-",
        str(seen.status or "-"),
        str(seen.tokens),
        "" if seen.ended_s is None else f"{seen.ended_s:.2f}",
        seen.over,
    )
