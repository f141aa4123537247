"""A process that spends from one pot as fast as it can, until it is done or killed.

Run as a program: `money_hammer.py KIND ADDRESS REDIS WRITER CALLS SEED JOURNAL`. It reserves each
call exactly, and writes its totals into the journal before it settles, as a record is written.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import redis
from sqlalchemy import Engine

from federation.control.budgets_ports import PotStore
from federation.domain.budgets import Pot
from federation.domain.money import usd_to_nano
from federation.pricing.pots import Ask, Granted, Note, Turn, Want
from federation.storage.budgets_sql import SqlPots
from federation.storage.engine import open_engine, open_postgres
from federation.storage.redis_pots import RedisPots

POT = Pot("acme/bkey/-/0", usd_to_nano(5))
TEN_CENTS = usd_to_nano("0.10")


def opened(kind: str, address: str, url: str) -> tuple[PotStore, Engine]:
    if kind == "sqlite":
        engine = open_engine(Path(address), synchronous="NORMAL")
        return SqlPots(engine), engine
    engine = open_postgres(address)
    if kind == "postgres":
        return SqlPots(engine), engine
    return RedisPots(redis.Redis.from_url(url, socket_timeout=10), engine), engine


def main(kind: str, address: str, url: str, writer: str, calls: int, seed: int, path: str) -> None:
    chance = random.Random(seed)
    store, _ = opened(kind, address, url)
    spent = returned = 0
    with Path(path).open("a", buffering=1) as journal:
        for n in range(calls):
            worst = chance.randint(1, TEN_CENTS)
            asked = Turn(asks=(Ask(writer, n, (Want(POT, worst, worst),)),), sharers=4)
            if not isinstance(store.turn(asked).answers[0], Granted):
                time.sleep(0.001)
                continue
            cost = chance.randint(0, worst // 4)
            spent, returned = spent + cost, returned + worst - cost
            journal.write(f"{spent}\n")
            store.turn(Turn(notes=(Note(writer, POT.id, spent, returned),)))


if __name__ == "__main__":
    kind, address, url, writer, calls, seed, path = sys.argv[1:]
    main(kind, address, url, writer, int(calls), int(seed), path)
