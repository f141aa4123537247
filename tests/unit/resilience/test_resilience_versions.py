"""The version of live columns: another whenever what scores are made of is."""

from __future__ import annotations

from msgspec import structs
from routing_world import deployment

from federation.resilience.health import HealthBoard
from federation.schema.link import Measure


def test_the_version_changes_with_what_was_measured_and_only_then() -> None:
    board = HealthBoard((deployment("a/x"), deployment("b/y")))
    first = board.live(1.0).version
    assert board.live(9.0).version == first
    board.note(
        Measure("a/x", 9_000, ok=True, first_byte_ms=5.0, total_ms=900.0, output_tokens=50), 9.0
    )
    before = list(board.live(9.1).success), list(board.live(9.1).first_token_ms)
    failed = Measure("a/x", 9_200, ok=False, first_byte_ms=0.0, total_ms=1.0, output_tokens=0)
    board.note(structs.replace(failed, error="upstream_failed"), 9.2)
    for now in (9.5, 9.8, 20.0, 300.0):
        was = board.columns.version
        seen = board.live(now)
        after = list(seen.success), list(seen.first_token_ms)
        assert seen.version != was or after == before
        before = after
    assert board.columns.version > first
