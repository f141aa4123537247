"""The work of `federation status`."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from federation.cli import output
from federation.cli.client import Answered
from federation.cli.failures import CommandFailed
from federation.cli.key_work import seconds
from federation.cli.place import Place


def health(place: Place, *, as_json: bool) -> None:
    """Print how the gateway is; fails where it is not ready."""
    gateway = place.gateway()
    alive, own = gateway.health("/health")
    if not _is_ours(own):
        raise gateway.stranger()
    ready, said = gateway.health("/health/ready")
    whole: dict[str, Any] | None = None
    remark = ""
    try:
        whole = gateway.get("/admin/status")
    except Answered as error:
        remark = f"Workers, store and configuration are not shown: {error.message}"
    well = alive == 200 and ready == 200
    reason = "" if ready == 200 else _reason(said)
    told: dict[str, object] = {
        "url": gateway.url,
        "alive": alive == 200,
        "ready": ready == 200,
        "reason": reason,
        **({"status": whole} if whole is not None else {}),
    }
    if not as_json:
        _show(gateway.url, alive == 200, reason, whole)
        if remark:
            output.note(remark)
    if not well:  # as JSON, the failure is the document
        raise CommandFailed(f"The gateway is not ready: {reason}", code="not_ready", details=told)
    if as_json:
        output.print_json(told)


def _is_ours(said: Any) -> bool:
    """Whether this is what a gateway says of its health, or its refusal to say anything."""
    return isinstance(said, dict) and (
        said.get("status") == "ok" or isinstance(said.get("error"), dict)
    )


def _reason(said: Any) -> str:
    error = said.get("error") if isinstance(said, dict) else None
    return str(error.get("message")) if isinstance(error, dict) else "it does not say why"


def _show(url: str, alive: bool, reason: str, whole: dict[str, Any] | None) -> None:
    pairs: list[tuple[str, object]] = [
        ("Gateway", url),
        ("Alive", alive),
        ("Ready", Text("yes", style="green") if not reason else Text(f"no: {reason}", style="red")),
    ]
    if whole is not None:
        config, store = whole["config"], whole["store"]
        pairs += [
            ("Version", whole["version"]),
            ("Up", _span(whole["uptime_s"])),
            ("Workers", f"{len(whole['workers'])} of {whole['workers_wanted']}"),
            ("Configuration", _configuration(config)),
            ("Store", "writable" if store["writable"] else Text("not writable", style="red")),
            ("Evidence", _evidence(whole.get("evidence"))),
        ]
    output.facts(pairs)
    if whole is not None:
        for problem in whole["config"]["problems"]:
            output.say(f"Not in force: {problem}", "red")
        for warning in whole["config"]["warnings"]:
            output.note(f"warning: {warning}")


def _configuration(config: dict[str, Any]) -> str:
    usable = f"{config['usable_deployments']} of {config['deployments']} deployments usable"
    return f"version {config['version']}: {usable}, {config['routes']} routes"


def _evidence(evidence: dict[str, Any] | None) -> Text:
    if evidence is None:
        return Text("not kept by this gateway")
    if not evidence["kept"]:
        return Text(f"stands still: {evidence['reason']}", style="red")
    anchors = evidence["anchors"]
    failing = [each["reason"] for each in anchors if each["failing_ms"] is not None]
    if failing:
        return Text(f"kept, not anchored: {' '.join(failing)}", style="red")
    count = {0: "no anchor", 1: "1 anchor"}.get(len(anchors), f"{len(anchors)} anchors")
    return Text(f"{evidence['records']} records sealed, {count}")


def _span(uptime_s: float) -> str:
    minutes, left = divmod(int(uptime_s), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {left} s"


def stats(place: Place, *, window: str, as_json: bool) -> None:
    """Print totals by deployment."""
    found = place.gateway().get("/v1/stats", {"window_s": seconds(window)})
    if as_json:
        output.print_json(found)
        return
    outcomes = ", ".join(f"{count} {name}" for name, count in found["outcomes"].items())
    output.facts(
        [
            ("Window", f"the last {window}"),
            ("Calls", f"{found['calls']}" + (f" ({outcomes})" if outcomes else "")),
            ("Tokens", f"{found['input_tokens']} in, {found['output_tokens']} out"),
            ("Cost", output.usd(found["cost_usd"]) + _unpriced(found)),
        ]
    )
    if found["deployments"]:
        output.table(
            ("Deployment", ">Calls", ">Failed", ">In", ">Out", ">Cost", ">Mean"),
            [
                (
                    row["deployment"] or "none",
                    row["calls"],
                    row["calls"] - row["outcomes"].get("ok", 0),
                    row["input_tokens"],
                    row["output_tokens"],
                    output.usd(row["cost_usd"]),
                    f"{row['mean_ms']:.0f} ms",
                )
                for row in found["deployments"]
            ],
        )


def _unpriced(found: dict[str, Any]) -> str:
    count = found.get("unpriced_calls") or 0
    return f" and {count} calls of unknown price" if count else ""
