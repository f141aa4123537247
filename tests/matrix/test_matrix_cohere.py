"""The cells of the matrix with the client `cohere`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from matrix.cells import Cell, cells


@pytest.mark.parametrize("cell", cells("cohere"), ids=str)
def test_a_scene_comes_through(cell: Cell, play: Callable[[Cell], None]) -> None:
    play(cell)
