"""The work of `federation route`: asking, explaining, classifying, and printing what came."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.text import Text

from federation.cli import output
from federation.cli.client import Unreachable
from federation.cli.failures import wrong_usage
from federation.cli.place import Place

_REMOVED_SHOWN = 12


def asked(
    text: str,
    *,
    model: str | None,
    strategy: str | None,
    max_cost: float | None,
    max_latency_ms: float | None,
    data_residency: list[str],
    privacy: str | None,
    data_classes: list[str],
    functions: str | None,
    system: str | None,
    max_tokens: int | None,
) -> dict[str, Any]:
    """The body of `POST /v1/route`."""
    regions = [part.strip() for given in data_residency for part in given.split(",")]
    constraints: dict[str, Any] = {
        "max_cost": max_cost,
        "max_latency_ms": max_latency_ms,
        "data_residency": [part for part in regions if part] or None,
    }
    body: dict[str, Any] = {
        "prompt": _prompt(text),
        "model": model,
        "strategy": strategy,
        "system_prompt": system,
        "max_tokens": max_tokens,
        "privacy": privacy,
        "data_classes": [] if data_classes == ["none"] else data_classes or None,
        "constraints": {key: value for key, value in constraints.items() if value is not None},
        "tools": None if functions is None else tools(functions),
    }
    return {key: value for key, value in body.items() if value not in (None, {})}


def _prompt(text: str) -> str:
    prompt = sys.stdin.read() if text == "-" else text
    if not prompt.strip():
        raise wrong_usage("There is no text.", 'Write it in quotes: federation route "Hello"')
    return prompt


def tools(given: str) -> list[dict[str, Any]]:
    """Tool definitions out of a file or the JSON itself; bare functions are wrapped."""
    text = given
    if not given.lstrip().startswith(("[", "{")):
        try:
            text = Path(given).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise wrong_usage(f"{given} cannot be read.", "--functions takes JSON.") from None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise wrong_usage(f"--functions holds no JSON: {error}") from None
    listed = found if isinstance(found, list) else [found]
    if not listed or not all(isinstance(item, dict) for item in listed):
        raise wrong_usage("--functions should hold a list of function definitions.")
    return [
        item if "function" in item else {"type": "function", "function": item} for item in listed
    ]


def run(place: Place, body: dict[str, Any], *, timeout_s: float, as_json: bool) -> None:
    """Send it and print the answer, and beside it who gave it and what it cost."""
    with output.working("Waiting for the answer ...", quiet=as_json):
        answer = place.gateway().post("/v1/route", body, timeout_s=timeout_s)
    if as_json:
        output.print_json(answer)
        return
    output.say(str(answer.get("content") or ""))
    cost = answer.get("cost")
    parts = [
        f"{answer.get('provider')}/{answer.get('model')}",
        "cost unknown" if cost is None else output.usd(cost),
        f"{answer.get('latency_ms', 0):.0f} ms",
        f"{answer.get('input_tokens', 0)} + {answer.get('output_tokens', 0)} tokens",
        str(answer.get("call_id", "")),
    ]
    if answer.get("simulated"):
        parts.insert(1, "simulated")
    output.note(" · ".join(part for part in parts if part))
    if answer.get("reasoning"):
        output.note(str(answer["reasoning"]))


def explain(place: Place, body: dict[str, Any], *, as_json: bool, brief: bool) -> None:
    """Print the decision: the gateway's own, or one from the files where none runs."""
    remark = ""
    try:
        decision = place.gateway().post("/v1/route", {**body, "dry_run": True})
    except Unreachable as error:
        if place.url is not None:
            raise
        from federation.cli import offline  # noqa: PLC0415 - start-up time

        decision = offline.explain(place, body)
        remark = (
            f"{error.message} This is decided from the configuration alone, without live "
            "measurements."
        )
    if as_json:
        output.print_json(decision)
    else:
        _show(decision, brief=brief)
    if remark:
        output.note(remark)


def _show(decision: dict[str, Any], *, brief: bool) -> None:
    intent = decision.get("intent") or {}
    chosen = Text(str(decision.get("deployment")), style="bold green")
    if decision.get("simulated"):
        chosen.append("  simulated", style="yellow")
    pairs: list[tuple[str, object]] = [
        ("Chosen", chosen),
        ("Confidence", f"{decision.get('confidence', 0):.2f}"),
        ("Estimated cost", _money(decision.get("estimated_cost"))),
        ("Estimated latency", f"{decision.get('estimated_latency_ms', 0):.0f} ms"),
        ("Strategy", decision.get("strategy")),
        ("Intent", _intent(intent)),
    ]
    if not brief:
        weights = decision.get("weights") or {}
        pairs += [
            ("Weights", ", ".join(f"{name} {value:g}" for name, value in weights.items())),
            ("Configuration", f"version {decision.get('snapshot')}"),
        ]
    pairs.append(("Why", decision.get("reasoning")))
    output.facts(pairs)
    candidates = decision.get("candidates") or []
    output.table(
        (
            *(">#", "Candidate", ">Score", ">Quality", ">Speed", ">Cost", ">Reliability"),
            *(">Est. cost", ">Est. latency"),
        ),
        [_candidate(at, row) for at, row in enumerate(candidates[: 5 if brief else None], 1)],
    )
    _show_removed(decision, brief=brief)
    _show_policies(decision.get("governance") or {}, brief=brief)


def _candidate(at: int, row: dict[str, Any]) -> list[object]:
    scores = row.get("scores") or {}
    parts = [row.get("score"), *map(scores.get, ("quality", "speed", "cost", "reliability"))]
    name = str(row.get("deployment"))
    return [
        at,
        f"{name} (cooling down)" if row.get("cooling_down") else name,
        *("" if part is None else f"{part:.3f}" for part in parts),
        _money(row.get("estimated_cost")),
        f"{row.get('estimated_latency_ms', 0):.0f} ms",
    ]


def _show_removed(decision: dict[str, Any], *, brief: bool) -> None:
    removed: dict[str, str] = decision.get("removed") or {}
    if not removed:
        return
    if brief:
        rules = decision.get("removed_by_rule") or {}
        parts = ", ".join(f"{number} by {rule}" for rule, number in rules.items())
        output.note(f"{len(removed)} removed: {parts or 'see federation route explain'}")
        return
    by_rule: dict[str, list[str]] = {}
    for deployment, rule in removed.items():
        by_rule.setdefault(rule, []).append(deployment)
    output.table(
        ("Rule", ">Removed", "Deployments"),
        [
            (rule, len(names), ", ".join(names[:_REMOVED_SHOWN]) + _more(len(names)))
            for rule, names in by_rule.items()
        ],
    )


def _show_policies(governance: dict[str, Any], *, brief: bool) -> None:
    """Which policies bind the call, and the rules that keep anybody out, or would."""
    if not governance:
        return
    output.note(f"Bound by {', '.join(governance.get('policies') or ()) or 'no policy'}.")
    if brief:
        return
    rows = [
        (
            row.get("deployment"),
            "out" if row.get("enforced") else "would be out",
            f"{row.get('policy') or 'the call'}: {row.get('rule')}",
            row.get("text"),
        )
        for row in governance.get("reasons") or ()
    ]
    if rows:
        output.table(("=Deployment", "", "=Policy and rule", "Why"), rows)


def _more(count: int) -> str:
    return f" and {count - _REMOVED_SHOWN} more" if count > _REMOVED_SHOWN else ""


def _intent(intent: dict[str, Any]) -> str:
    name = str(intent.get("name", "unknown")).replace("_", " ")
    unused = "" if intent.get("classified", True) else "; the order was made without it"
    return (
        f"{name} (confidence {intent.get('confidence', 0):.2f}, "
        f"difficulty {intent.get('difficulty', 0):.2f}{unused})"
    )


def task(text: str, *, as_json: bool) -> None:
    """Classify a prompt here, with the classifier that the gateway uses."""
    from federation.routing.classifier import load  # noqa: PLC0415 - start-up time

    intent = load()(_prompt(text))
    if as_json:
        output.print_json(msgspec.to_builtins(intent))
        return
    output.facts(
        [
            ("Intent", intent.name.replace("_", " ")),
            ("Confidence", f"{intent.confidence:.2f}"),
            ("Difficulty", f"{intent.difficulty:.2f}"),
        ]
    )


def _money(usd: float | None) -> str:
    return "unknown" if usd is None else output.usd(usd)
