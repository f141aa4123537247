"""`rate_limits` in federation.yaml, and the one that the guide shows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from federation.config.load import load
from federation.domain.budgets import EACH
from federation.domain.limits import EVERY, HOUR, MONTH, Counted, Limit, LimitScope, Method
from federation.errors import ConfigError

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "limits.md"


def loaded(directory: Path, text: str) -> tuple[Limit, ...]:
    (directory / "federation.yaml").write_text(text)
    return load(directory, dict(os.environ), {}).limits


def test_the_guides_limits_load_and_bind_every_tenant(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    keys, tokens, route = loaded(tmp_path, text)
    assert keys == Limit("default.keys", EVERY, LimitScope.KEY, EACH, Counted.REQUESTS, 100)
    assert (tokens.counts, tokens.window_s, tokens.tier) == (Counted.TOKENS, HOUR, "pro")
    assert (route.scope, route.subject, route.burst) == (LimitScope.ROUTE, "chat", 5)


def test_a_month_is_a_fixed_window_and_concurrency_slots(tmp_path: Path) -> None:
    text = (
        "rate_limits:\n  - {name: a, amount: 5, window: month}\n"
        "  - {name: b, amount: 5, counts: concurrency}\n"
    )
    month, slots = loaded(tmp_path, text)
    assert (month.window_s, month.method) == (MONTH, Method.FIXED_WINDOW)
    assert slots.method is Method.SLOTS


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{name: a, amount: 5, window: fortnight}", "window"),
        ("{name: a, amount: -5}", "amount"),
        ("{name: a, amount: 5, window: month, method: token_bucket}", "fixed window"),
        ("{name: a, amount: 5, scope: key, subject: key_1}", "subject"),
        ("{name: a, amount: 5, tier: golden}", "tier"),
        ("{name: a, amount: 5}\n  - {name: a, amount: 6}", "two of the name"),
        ("{name: a, amont: 5}", "amount"),
        ("{amount: 5}", "name"),
    ],
)
def test_what_is_wrong_is_said_at_its_line(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"rate_limits:\n  - {row}\n")
    assert said in caught.value.message
    assert "federation.yaml:" in caught.value.message
