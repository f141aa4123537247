"""What holds for the whole suite: a test over real sockets and processes may be run once more.

Those tests live by the clock of a machine that others share. One that fails is run a second time,
and the summary names it (`rerun`): a defect of the test or of the product to look into, not a
pass to be proud of. A pure test (`tests/unit`) has no such excuse and gets one chance.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

WORLDLY = tuple(Path(__file__).parent / name for name in ("api", "contract", "e2e"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in WORLDLY):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_runtest_logfinish() -> None:
    """After each test: whoever made control processes has their files closed."""
    planes = sys.modules.get("control_plane")
    if planes is not None:
        planes.let_go()
