"""Four real processes on one store, killed at random moments and found again by their journals."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import money_hammer
import pytest
from money_hammer import POT
from money_stores import KINDS, money_world
from redis_server import redis_server

from federation.pricing.pots import Note, Turn

SHARED = [kind for kind in KINDS if kind != "memory"]


@pytest.mark.parametrize("kind", SHARED)
def test_killed_processes_overspend_nothing_and_leak_nothing(kind: str, tmp_path: Path) -> None:
    chance = random.Random(kind)
    with money_world(kind, tmp_path) as world:
        assert world.engine is not None
        address = world.engine.url.render_as_string(hide_password=False)
        if kind == "sqlite":
            address = str(world.engine.url.database)
        url = redis_server().url if kind == "redis" else "-"
        store = world.replica()
        children: dict[str, subprocess.Popen[bytes]] = {}
        journals: dict[str, Path] = {}

        def start() -> None:
            writer = f"w{len(journals)}"
            journals[writer] = tmp_path / f"{writer}.journal"
            journals[writer].touch()
            command = [sys.executable, money_hammer.__file__, kind, address, url, writer]
            command += ["250", str(len(journals)), str(journals[writer])]
            children[writer] = subprocess.Popen(command)

        def bury(writer: str) -> None:
            lines = journals[writer].read_text().split()
            last = Note(writer, POT.id, int(lines[-1]) if lines else 0)
            store.turn(Turn(notes=(last,), closes=(writer,)))

        for _ in range(4):
            start()
        for _ in range(3):
            time.sleep(1.0 + chance.random())
            writer = chance.choice(sorted(children))
            child = children.pop(writer)
            child.kill()
            child.wait(30)
            bury(writer)
            start()
        for writer, child in children.items():
            assert child.wait(120) == 0
            bury(writer)
        (pot,) = store.standings("acme", "bkey")
        paid = sum(
            int(journal.read_text().split()[-1])
            for journal in journals.values()
            if journal.stat().st_size
        )
        assert (pot.spent_nano, pot.reserved_nano) == (paid, 0)
        assert pot.spent_nano > POT.cap_nano // 2
        assert world.overspent() == []
