"""One gateway with its six vendors for each process of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from matrix.cannots import load, unlike
from matrix.cells import Cell, run
from matrix.clients.program import Program
from matrix.clients.table import PROGRAMS
from matrix.house import House, house

Play = Callable[[Cell], None]


@pytest.fixture(scope="session")
def at_home() -> Iterator[House]:
    with house() as found:
        yield found


@pytest.fixture(scope="session")
def programs(at_home: House) -> Iterator[dict[str, Program]]:
    made: dict[str, Program] = {}
    yield made
    for program in made.values():
        program.close()


@pytest.fixture(scope="session")
def play(at_home: House, programs: dict[str, Program]) -> Play:
    """Play a cell, and compare what happened with what the list of cannots says."""
    listed = load()

    def run_one(cell: Cell) -> None:
        if cell.client not in programs:
            programs[cell.client] = PROGRAMS[cell.client](at_home.url)
        assert unlike(cell, run(cell, at_home, programs[cell.client]), listed) == []

    return run_one
