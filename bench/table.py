"""The table that `make bench` prints, and what its figures say about the goals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PARTS = (
    ("whole_8", "1,000/s over 8 connections"),
    ("whole_1", "1 connection, full load"),
    ("whole_32", "32 connections, full load"),
)

Row = dict[str, Any]
"""A row as `bench.run` writes it: parsed JSON."""


@dataclass(frozen=True)
class Goal:
    """A bound on a figure, and the worse bound that must hold in any case."""

    name: str
    value: float | None
    goal: float
    floor: float
    unit: str = "x"

    def line(self) -> str:
        """The goal in one line: met, within the floor, missed or not measured."""
        if self.value is None:
            return f"{self.name}: not measured"
        if self.value <= self.goal:
            verdict = "met"
        elif self.value <= self.floor:
            verdict = "within the floor"
        else:
            verdict = "MISSED"
        bounds = f"goal {self.goal:g}, floor {self.floor:g}"
        return f"{self.name}: {self.value:.2f} {self.unit} ({bounds}): {verdict}"


def _rows(result: Row) -> dict[str, Row]:
    return {row["name"]: row for row in result["rows"]}


def nginx_of(name: str) -> str:
    """The row whose multiples a row is told in: nginx with bodies of the same size."""
    return "nginx 100 kB" if name.endswith("100 kB") else "nginx"


def _figure(rows: dict[str, Row], name: str, part: str, key: str) -> float | None:
    value = rows.get(name, {}).get(part, {}).get(key)
    return None if value is None else float(value)


def _ratio(rows: dict[str, Row], one: str, other: str, part: str) -> float | None:
    above = _figure(rows, one, part, "cpu_us")
    below = _figure(rows, other, part, "cpu_us")
    return above / below if above is not None and below else None


def _added_ms(rows: dict[str, Row], name: str, part: str, key: str) -> float | None:
    gateway, direct = _figure(rows, name, part, key), _figure(rows, "direct", part, key)
    return (gateway - direct) / 1000 if gateway is not None and direct is not None else None


def _failed(rows: dict[str, Row]) -> float | None:
    """Whole answers that were none: a refusal is cheap, and its CPU is no gateway's."""
    every = (
        _figure(rows, name, part, "errors")
        for name in rows
        if name.startswith("federation")
        for part, _ in PARTS
    )
    found = [errors for errors in every if errors is not None]
    return sum(found) if found else None


def goals(result: Row) -> list[Goal]:
    """The goals for speed, with what this run found."""
    rows = _rows(result)
    route, auto, governed = "federation route", "federation auto", "federation governed"
    found = []
    for part, label in PARTS:
        plain, any_model = _ratio(rows, route, "nginx", part), _ratio(rows, auto, "nginx", part)
        more = any_model - plain if plain is not None and any_model is not None else None
        found.append(Goal(f"CPU per request / nginx, route, {label}", plain, 5, 8))
        found.append(Goal(f"auto above route, in nginx requests, {label}", more, 5, 5))
        guarded = _ratio(rows, governed, "nginx", part)
        found.append(Goal(f"CPU per request / nginx, governed, {label}", guarded, 10, 14))
    for part in ("streams_64", "streams_256"):
        ratio = _ratio(rows, route, "nginx", part)
        found.append(Goal(f"CPU per stream event / nginx, {part[8:]} streams", ratio, 2, 2))
    translated = "federation translated"
    for part, label in PARTS:
        ratio = _ratio(rows, translated, route, part)
        found.append(Goal(f"translated / forwarded, {label}", ratio, 2.5, 2.5))
    for part in ("streams_64", "streams_256"):
        ratio = _ratio(rows, translated, route, part)
        name = f"translated / forwarded, per event, {part[8:]} streams"
        found.append(Goal(name, ratio, 2.5, 2.5))
    added = _added_ms(rows, route, "whole_1", "p99_us")
    found.append(Goal("added latency p99, 1 connection", added, 1, 1, "ms"))
    added = _added_ms(rows, governed, "whole_1", "p99_us")
    found.append(Goal("added latency p99, governed, 1 connection", added, 2, 2, "ms"))
    found.append(Goal("failed answers of federation", _failed(rows), 0, 0, ""))
    failures = _figure(rows, route, "streams_256", "failures")
    found.append(Goal("failed streams of 256 held", failures, 0, 0, ""))
    for peer, bound in (("portkey", 1 / 8), ("litellm", 1 / 50)):
        ratio = _ratio(rows, route, peer, "whole_8")
        found.append(Goal(f"CPU per request / {peer}", ratio, bound, bound))
    idle = result["memory_idle"].get("federation", {}).get("worker_mib")
    loaded = result["memory_loaded"].get("federation", {}).get("worker_mib")
    found.append(Goal("worker RSS idle", idle, 100, 120, "MiB"))
    found.append(Goal("worker RSS after load", loaded, 120, 120, "MiB"))
    start = result["cold_start_s"].get("federation")
    found.append(Goal("cold start to first answer", start, 1.5, 1.5, "s"))
    return found


def verdicts(result: Row) -> list[str]:
    """A line for each goal."""
    return [goal.line() for goal in goals(result)]


def _cell(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _lines(header: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [header, *body]) for i in range(len(header))]

    def line(row: list[str]) -> str:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join([first, *rest])

    return [line(header), "  ".join("-" * width for width in widths), *map(line, body)]


def _whole_table(rows: dict[str, Row], part: str) -> list[str]:
    header = ["", "CPU us", "of it worker", "x nginx", "req/s/core", "req/s", "p50 us", "p99 us"]
    header += ["+p50 ms", "+p99 ms", "errors"]
    body = []
    for name in rows:
        direct = "direct 100 kB" if name.endswith("100 kB") else "direct"
        added = [
            None
            if (own := _figure(rows, name, part, key)) is None
            or (base := _figure(rows, direct, part, key)) is None
            else (own - base) / 1000
            for key in ("p50_us", "p99_us")
        ]
        body.append(
            [
                name,
                _cell(_figure(rows, name, part, "cpu_us")),
                _cell(_figure(rows, name, part, "worker_us")),
                _cell(_ratio(rows, name, nginx_of(name), part), 2),
                _cell(_figure(rows, name, part, "per_core_second"), 0),
                _cell(_figure(rows, name, part, "per_second"), 0),
                _cell(_figure(rows, name, part, "p50_us"), 0),
                _cell(_figure(rows, name, part, "p99_us"), 0),
                _cell(added[0], 2),
                _cell(added[1], 2),
                _cell(_figure(rows, name, part, "errors"), 0),
            ]
        )
    return _lines(header, body)


def _stream_table(rows: dict[str, Row], part: str) -> list[str]:
    header = [
        "",
        "CPU us/event",
        "of it worker",
        "x nginx",
        "core share",
        "first p50 ms",
        "first p99 ms",
    ]
    header += ["+first p50 ms", "failures"]
    body = []
    for name, row in rows.items():
        if part not in row:
            continue
        first = _figure(rows, name, part, "first_p50_ms")
        base = _figure(rows, "direct", part, "first_p50_ms")
        added = first - base if first is not None and base is not None else None
        body.append(
            [
                name,
                _cell(_figure(rows, name, part, "cpu_us")),
                _cell(_figure(rows, name, part, "worker_us")),
                _cell(_ratio(rows, name, "nginx", part), 2),
                _cell(_figure(rows, name, part, "cpu_share"), 2),
                _cell(first, 2),
                _cell(_figure(rows, name, part, "first_p99_ms"), 2),
                _cell(added, 2),
                _cell(_figure(rows, name, part, "failures"), 0),
            ]
        )
    return _lines(header, body)


def _process_table(result: Row) -> list[str]:
    header = ["", "cold start s", "worker idle MiB", "worker loaded MiB", "tree loaded MiB"]
    body = []
    for name, seconds in result["cold_start_s"].items():
        idle, loaded = result["memory_idle"][name], result["memory_loaded"][name]
        cells = [seconds, idle["worker_mib"], loaded["worker_mib"], loaded["tree_mib"]]
        body.append([name, *(_cell(cell, 2 if cell is seconds else 1) for cell in cells)])
    return _lines(header, body)


def render(result: Row) -> str:
    """The whole report as text. `direct` is the upstream itself: its CPU is not a gateway's."""
    rows = _rows(result)
    lines = [
        f"# {result['at']}  " + "  ".join(f"{k} {v}" for k, v in result["environment"].items())
    ]
    for part, label in PARTS:
        lines += ["", f"## whole answers, {label}", *_whole_table(rows, part)]
    for count in (64, 256):
        if any(f"streams_{count}" in row for row in rows.values()):
            lines += ["", f"## {count} streams of 64 events, 20 ms apart"]
            lines += _stream_table(rows, f"streams_{count}")
    lines += ["", "## processes", *_process_table(result)]
    before, after = result["python_work_us"]
    lines += ["", f"fixed Python work: {before} us before, {after} us after"]
    lines += ["", "## goals", *verdicts(result)]
    lines += [f"note: {note}" for note in result["notes"]]
    return "\n".join(lines)
