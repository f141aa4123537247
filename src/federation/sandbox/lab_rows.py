"""The lab as rows of providers.yaml and routes of federation.yaml, to paste and to try.

A row for each language, one at whose port nobody listens, and for every fault a route with
the faulty model first and a sound one behind it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from federation.sandbox.lab_voices import CONTINUE, VOICES, Voice
from federation.sandbox.profiles import Profile, SimModel
from federation.sandbox.rows import BASES, model_row, provider_row

DIALECTS: Final = ("openai", "anthropic", "gemini")
REFUSED: Final = "lab-refused"
"""The row at whose port nobody listens."""
_LEAST_CONTEXT: Final = 128_000


def _model(voice: Voice, name: str = "") -> SimModel:
    """A row. Its context is never told as small: what a row knows, no provider is asked."""
    return SimModel(
        name or voice.name,
        f"{voice.name} (simulated)",
        "1",
        "2",
        10,
        200,
        {"default": 0.5},
        context=max(voice.context, _LEAST_CONTEXT),
    )


LAB: Final = Profile(
    "lab",
    "Lab (simulated)",
    "emerging",
    ("local",),
    tuple(map(_model, VOICES.values())),
    ("gdpr", "soc2"),
    local=True,
)
"""The lab as a profile: what a listing of its models shows."""

SHOWN: Final = (
    "lab-same:429-after-2-once",
    "lab-same:429",
    "lab-same:500-once",
    "lab-same:503",
    "lab-same:reset",
    "lab-same:silent",
    "lab-same:first-20",
    "lab-same:cut-40",
    "lab-same:stall-20",
    "lab-same:malformed-30",
    "lab-same:no-done",
    "lab-same:no-finish",
    "lab-same:inband-10",
    "lab-same:filter-20",
    "lab-same:401",
    "lab-same:404",
    "lab-same:down-60",
    "lab-same:random-3",
    "lab-small",
)
"""The faulty models that are offered to be pasted; any other name of the grammar answers, too."""
_CONTEXT_ROUTE: Final = "lab-small"


def provider_rows(port: int, refused_port: int) -> list[dict[str, Any]]:
    """Rows for providers.yaml: plain JSON values."""
    rows = [_row(dialect, port) for dialect in DIALECTS]
    dead = replace(LAB, id=REFUSED, name="Lab, refused connection (simulated)")
    base = f"http://127.0.0.1:{refused_port}{BASES['openai']}"
    return [*rows, provider_row(dead, base, [_model_row("lab-same", "openai")])]


def route_rows() -> list[dict[str, Any]]:
    """Routes for federation.yaml: each fault in one language, its fallbacks in two others."""
    routes = []
    for at, name in enumerate(SHOWN):
        first, second, third = (DIALECTS[(at + step) % len(DIALECTS)] for step in range(3))
        large = "lab-large" if name == _CONTEXT_ROUTE else "lab-prefill"
        targets = [f"lab-{first}/{name}", f"lab-{second}/{large}", f"lab-{third}/lab-same"]
        routes.append(_route(name.replace(":", "-"), targets))
    return [*routes, _route(REFUSED, [f"{REFUSED}/lab-same", "lab-anthropic/lab-prefill"])]


def _route(name: str, targets: list[str]) -> dict[str, Any]:
    return {"name": f"try-{name}", "strategy": "priority", "targets": targets}


def _row(dialect: str, port: int) -> dict[str, Any]:
    profile = replace(LAB, id=f"lab-{dialect}", name=f"Lab, {dialect} (simulated)", dialect=dialect)
    base = f"http://127.0.0.1:{port}/{profile.id}{BASES[dialect]}"
    names = [*VOICES, *(name for name in SHOWN if name not in VOICES)]
    return provider_row(profile, base, [_model_row(name, dialect) for name in names])


def _model_row(name: str, dialect: str) -> dict[str, Any]:
    """In one language an answer that is to be gone on with must be marked; the lab reads both."""
    voice = VOICES[name.partition(":")[0]]
    row = model_row(_model(voice), name)
    kept = {key: row[key] for key in ("id", "context", "max_output", "abilities", "price")}
    if voice.prefill != CONTINUE:
        return kept
    kept["abilities"] = [*row["abilities"], "prefill"]
    return kept | ({"quirks": {"prefill": "prefix"}} if dialect == "openai" else {})
