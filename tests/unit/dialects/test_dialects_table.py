"""The table of dialects is what the gateway goes by."""

from __future__ import annotations

from federation.dialects.table import DIALECTS, Face


def test_every_dialect_fills_every_place_of_its_face() -> None:
    assert set(DIALECTS) == {"openai"}
    for face in DIALECTS.values():
        assert isinstance(face, Face)
        assert all(callable(getattr(face, name)) for name in Face.__slots__)
