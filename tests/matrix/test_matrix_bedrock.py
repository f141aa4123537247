"""The cells of the matrix with the client `bedrock`."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator

import pytest
from matrix.cells import Cell, cells

pytestmark = pytest.mark.filterwarnings(
    # The client drops the connection of a stream that broke, and leaves it to the collector.
    "ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def swept() -> Iterator[None]:
    """Nothing of that is left for another module's tests."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize("cell", cells("bedrock"), ids=str)
def test_a_scene_comes_through(cell: Cell, play: Callable[[Cell], None]) -> None:
    play(cell)
