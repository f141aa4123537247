"""Scenarios against a gateway that runs: real calls, and the playbook's view of what they did.

A call's attempts come from its account (`GET /v1/calls/{id}`), who is kept away from
`GET /v1/providers`. Health belongs to a worker until its news have gone round, so that more
than one worker may still ask what another already gave up.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from federation.cli.client import ANSWER_LIMIT, Answered, Gateway, Unreachable
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.resilience.playbook.model import Playbook, Scenario, Turn
from federation.resilience.playbook.observing import Attempt, Observed, Watch
from federation.resilience.playbook.scenarios import Report
from federation.resilience.playbook.stepping import Chart

PREFIX = "playbook-"
CALL_S = 90.0
_ACCOUNT_S = 10.0
_POLL_S = 0.05


def routes(playbook: Playbook) -> str:
    """The routes of a playbook's scenarios, for federation.yaml."""
    lines = [
        "# Add to federation.yaml; the providers are those of",
        "# `federation sandbox --fault-models --json`.",
        "routes:",
    ]
    for scenario in playbook.scenarios:
        targets = ", ".join(json.dumps(station.live) for station in scenario.stations)
        lines.append(f"  - name: {PREFIX}{scenario.name}")
        lines += ["    strategy: priority", f"    targets: [{targets}]"]
    return "\n".join(lines) + "\n"


def ready(place: Place, scenarios: Iterable[Scenario]) -> None:
    """Raises `CommandFailed` where the gateway has not all routes and deployments it takes."""
    gateway = place.gateway()
    known = {
        row["id"]: row.get("federation", {}).get("targets", [])
        for row in gateway.get("/v1/models")["data"]
    }
    for scenario in scenarios:
        wanted = [station.live for station in scenario.stations]
        if known.get(PREFIX + scenario.name) != wanted:
            raise CommandFailed(
                f"The gateway has no route '{PREFIX}{scenario.name}' over {', '.join(wanted)}.",
                hint="`federation sandbox --fault-models --json` gives the providers, "
                "`federation playbook export --format routes` the routes.",
                code="not_found",
            )


def run(chart: Chart, scenario: Scenario, place: Place) -> Report:
    """Make a scenario's calls, one after another; it stops at the first deviation.

    Steps that only a virtual world can do are left out.
    """
    gateway = place.gateway()
    report = Report(scenario.name, scenario.about)
    began = time.monotonic()
    down = _down(gateway)
    resting = sorted(down & {station.live for station in scenario.stations})
    if resting:
        report.wrong.append(f"{', '.join(resting)} still rests: run it again in a minute")
        return report
    watch = Watch(chart, scenario.stations, time.time())
    for at, turn in enumerate(scenario.turns):
        if turn.virtual:
            report.skipped += 1
            continue
        if turn.wait_s and any(not later.virtual for later in scenario.turns[at + 1 :]):
            time.sleep(turn.wait_s)
            watch.look(time.time(), _down(gateway))
        for _ in range(turn.repeat):
            seen = _call(gateway, PREFIX + scenario.name, turn)
            watch.call(turn, seen, _down(gateway))
            names = {station.live: station.name for station in scenario.stations}
            by = names.get(seen.by, seen.by)
            report.judge(at, turn, seen.outcome, by, len(seen.attempts))
            report.wrong += [f"step {at + 1}: {each}" for each in watch.wrong]
            if report.wrong:
                break
        if report.wrong:
            break
    report.notes = watch.notes
    report.lasted_s = time.monotonic() - began
    return report


def _down(gateway: Gateway) -> frozenset[str]:
    """The deployments that the gateway keeps away from."""
    return frozenset(
        offer["id"]
        for provider in gateway.get("/v1/providers")["data"]
        for offer in provider["models"]
        if offer.get("cooling_down")
    )


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    call: str
    provider: str
    model: str
    whole: bool
    """A stream that came to its end, or an answer that is not streamed."""


def _call(gateway: Gateway, model: str, turn: Turn) -> Observed:
    constraints: dict[str, Any] = {}
    if turn.regions:
        constraints["data_residency"] = list(turn.regions)
    for name in turn.certified:
        constraints[f"{name}_required"] = True
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": "One sentence about lighthouses, please."}],
        "stream": turn.stream,
    }
    if constraints:
        body["federation"] = {"constraints": constraints}
    began = time.time()
    reply = _post(gateway, "/v1/chat/completions", body)
    account = _account(gateway, reply.call) if reply.call else {}
    attempts = tuple(
        Attempt(
            row["deployment"],
            row["started_ms"] / 1000.0,
            (row["started_ms"] + row["total_ms"]) / 1000.0,
            row["error"],
        )
        for row in account.get("attempts", [])
    )
    started = account["started_ms"] / 1000.0 if account else began
    ended = (account.get("ended_ms") or time.time() * 1000.0) / 1000.0 if account else time.time()
    by = f"{reply.provider}/{reply.model}" if reply.provider else ""
    return Observed(_outcome(reply), by, started, ended, attempts)


def _outcome(reply: _Reply) -> str:
    if reply.status < 300:
        return "answered" if reply.whole else "broken"
    return "refused" if reply.status == 403 else "failed"


def _account(gateway: Gateway, call: str) -> dict[str, Any]:
    """The account of a call, which is closed a moment after its last byte."""
    end = time.monotonic() + _ACCOUNT_S
    while True:
        try:
            found: dict[str, Any] = gateway.get(f"/v1/calls/{quote(call, safe='')}")
            if found["outcome"] != "running":
                return found
        except Answered as error:
            if error.status != 404 or time.monotonic() > end:
                raise
        if time.monotonic() > end:
            raise CommandFailed(f"The call {call} does not end.", code="failed")
        time.sleep(_POLL_S)


def _post(gateway: Gateway, path: str, body: dict[str, Any]) -> _Reply:
    """One call with its headers, which `Gateway` does not show."""
    parts = urlsplit(gateway.url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CALL_S)
    headers = {"content-type": "application/json"}
    if gateway.key:
        headers["authorization"] = f"Bearer {gateway.key}"
    try:
        connection.request("POST", quote(parts.path.rstrip("/")) + path, json.dumps(body), headers)
        response = connection.getresponse()
        whole = _read(response, stream=bool(body["stream"]))
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(gateway.url, str(error) or type(error).__name__) from None
    finally:
        connection.close()
    told = response.headers
    return _Reply(
        response.status,
        told.get("x-federation-call-id", ""),
        told.get("x-federation-provider", ""),
        told.get("x-federation-model", ""),
        whole,
    )


def _read(response: http.client.HTTPResponse, *, stream: bool) -> bool:
    """Whether the answer came whole."""
    try:
        data = response.read(ANSWER_LIMIT)
    except http.client.IncompleteRead:
        return False
    return not (stream and response.status < 300) or data.rstrip().endswith(b"data: [DONE]")
