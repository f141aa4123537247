"""The shared data folder: named by FEDERATION_DATA, else beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("FEDERATION_DATA")
    or Path(__file__).resolve().parents[2].parent / "shared" / "data"
)
REASON = "the shared data folder is absent (set FEDERATION_DATA)"


def shared(path: str) -> Path:
    """A file or folder of the shared data; skips the test where it is absent."""
    found = FOLDER / path
    if not found.exists():
        pytest.skip(REASON)
    return found
