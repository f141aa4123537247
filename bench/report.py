"""The report on real prompts, as Markdown: intents, choices, costs, savings."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

Call = dict[str, Any]


def _usd(nano: float) -> str:
    return f"{nano / 1e9:.6f}"


def _alone_nano(calls: list[Call], price: list[int]) -> float:
    """What the best single model would have charged for the same tokens."""
    into, out = price
    inputs = sum(int(call["input_tokens"]) for call in calls)
    outputs = sum(int(call["output_tokens"]) for call in calls)
    return (inputs * into + outputs * out) / 1e6


def _table(header: list[str], rows: list[list[object]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def _summary(result: Call) -> list[str]:
    rows: list[list[object]] = []
    for strategy, calls in result["strategies"].items():
        spent = sum(call["cost_nano"] for call in calls)
        alone = _alone_nano(calls, result["best_price"])
        saved = 1 - spent / alone if alone else 0.0
        rows.append(
            [
                strategy,
                sum(call["status"] == 200 for call in calls),
                sum(call["attempts"] > 1 for call in calls),
                _usd(spent),
                _usd(alone),
                f"{saved:.1%}",
                f"{statistics.mean(call['quality'] for call in calls):.3f}",
                f"{statistics.mean(call['best_quality'] for call in calls):.3f}",
                f"{statistics.median(call['duration_ms'] for call in calls):.0f}",
            ]
        )
    header = ["strategy", "answered", "fell back", "cost USD", "best single USD", "saved"]
    header += ["quality", "best single's", "median ms"]
    return _table(header, rows)


def _intents(calls: list[Call]) -> list[str]:
    rows: list[list[object]] = []
    for intent, count in Counter(call["intent"] for call in calls).most_common():
        own = [call for call in calls if call["intent"] == intent]
        chosen = Counter(call["deployment"] for call in own).most_common(3)
        rows.append(
            [
                intent,
                count,
                f"{statistics.mean(call['confidence'] for call in own):.2f}",
                f"{statistics.mean(call['difficulty'] for call in own):.2f}",
                ", ".join(f"{name} ({number})" for name, number in chosen),
                _usd(sum(call["cost_nano"] for call in own)),
            ]
        )
    header = ["intent", "prompts", "confidence", "difficulty", "chosen", "cost USD"]
    return _table(header, rows)


def _choices(calls: list[Call]) -> list[str]:
    rows: list[list[object]] = []
    for name, count in Counter(call["deployment"] for call in calls).most_common():
        own = [call for call in calls if call["deployment"] == name]
        rows.append(
            [
                name or "(none)",
                count,
                sum(call["input_tokens"] for call in own),
                sum(call["output_tokens"] for call in own),
                _usd(sum(call["cost_nano"] for call in own)),
            ]
        )
    return _table(["deployment", "calls", "input tokens", "output tokens", "cost USD"], rows)


def _every(calls: list[Call]) -> list[str]:
    rows: list[list[object]] = [
        [
            f"{call['source']}:{call['row']}",
            call["turn"] + 1,
            call["intent"],
            call["confidence"],
            call["deployment"] or call["error"],
            call["attempts"],
            call["input_tokens"],
            call["output_tokens"],
            _usd(call["cost_nano"]),
        ]
        for call in calls
    ]
    header = ["prompt", "turn", "intent", "confidence", "chosen", "attempts", "in", "out", "USD"]
    return _table(header, rows)


def render(result: Call) -> str:
    """The whole report."""
    about = (
        f"{result['at']}: {result['prompts']} prompts, {result['chained']} of them chained into "
        "conversations, routed with `auto`. Providers, prices and answers are simulated; intents, "
        "decisions and accounts are the gateway's own."
    )
    best = (
        f"The best single model is {result['best_single']}: its column is what it would have "
        "charged for the same tokens."
    )
    lines = ["# Real prompts, simulated providers", "", about, "", best, "", *_summary(result)]
    for strategy, calls in result["strategies"].items():
        lines += ["", f"## {strategy}: by intent", "", *_intents(calls)]
        lines += ["", f"## {strategy}: by deployment", "", *_choices(calls)]
    strategy, calls = next(iter(result["strategies"].items()))
    lines += ["", f"## Every prompt ({strategy})", "", *_every(calls), ""]
    return "\n".join(lines)
