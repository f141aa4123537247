"""The real gateway between a client's program and six vendors, over sockets, in a thread.

The vendors' side runs in the gateway's loop, so that a stream's pieces really arrive apart:
after each piece the loop turns, and the gateway reads it alone.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Final

from inprocess import deployment, gateway, snapshot
from matrix.facts import CLIENT, Asked, joined
from matrix.scenes import Answer, Fault
from matrix.vendors.table import VENDORS, Vendor
from scripted import Talk, Upstream

from federation.domain.routes import Settings

CUTS: Final = (1, 2, 3, 5, 8, 13, 89)
"""Sizes of the pieces in which a stream arrives."""


@dataclass
class Seat:
    """One vendor at work: what it is to answer next, what it was asked, and what was wrong."""

    vendor: Vendor
    answers: list[Answer | Fault] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    client: str = ""
    """The dialect of the program that asks."""
    wrongs: list[str] = field(default_factory=list)

    def reset(self, *answers: Answer | Fault) -> None:
        for kept in (self.asked, self.bodies, self.wrongs):
            kept.clear()
        self.answers[:] = answers

    async def behave(self, talk: Talk) -> None:
        """Answer one request."""
        target = talk.seen.head.split(" ")[1]
        headers = {**talk.seen.headers, CLIENT: self.client}
        self.bodies.append(talk.seen.body)
        try:
            asked = self.vendor.read(target, headers, talk.seen.body)
        except Exception:
            self.wrongs.append(traceback.format_exc(limit=-3))
            await talk.answer(b'{"message":"matrix: wrong request"}', 400)
            return
        asked.said = joined(asked.said)
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Fault):
            status, headers, body = self.vendor.fault(answer)
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            await talk.answer(body, status, head)
        elif asked.stream:
            kind, events = self.vendor.stream(answer)
            await _drip(talk, kind, b"".join(events))
        else:
            await talk.answer(self.vendor.whole(answer))


async def _drip(talk: Talk, kind: str, data: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    await talk.send(head.encode())
    at = 0
    for size in cycle(CUTS):
        if at >= len(data):
            break
        await talk.event(data[at : at + size])
        # The gateway's transport reads in its own turn of the loop.
        await asyncio.sleep(0)
        at += size
    await talk.end_stream()


def twin(name: str) -> str:
    """The name of another host that speaks the same dialect."""
    return f"{name}-twin"


@dataclass
class House:
    """A running gateway and its vendors."""

    url: str
    seats: dict[str, Seat]
    models: dict[str, str]
    """The model to ask for, by the vendor's dialect."""


@contextmanager
def house() -> Iterator[House]:
    """Start it all in a thread of its own, for as long as the block runs."""
    ready, over = threading.Event(), threading.Event()
    found: list[House] = []
    failed: list[BaseException] = []

    async def live() -> None:
        async with AsyncExitStack() as stack:
            seats = {name: Seat(vendor) for name, vendor in VENDORS.items()}
            seats |= {twin(name): Seat(vendor) for name, vendor in VENDORS.items()}
            rows = []
            for name, seat in seats.items():
                upstream = await stack.enter_async_context(Upstream(seat.behave))
                row, offered, secret = seat.vendor.row(f"http://127.0.0.1:{upstream.port}")
                if name not in VENDORS:
                    row = replace(row, id=twin(row.id))
                rows.append((row, offered, secret))
            deployments = tuple(deployment(provider, model) for provider, model, _ in rows)
            state = snapshot(deployments, settings=Settings(attempts=1))
            secrets = {provider.id: secret for provider, _, secret in rows}
            running = await stack.enter_async_context(gateway(replace(state, secrets=secrets)))
            names = dict(zip(seats, (item.id for item in deployments), strict=True))
            found.append(House(running.url, seats, names))
            ready.set()
            await asyncio.to_thread(over.wait)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="matrix-house")
    thread.start()
    try:
        assert ready.wait(30)
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        over.set()
        thread.join(30)
    if failed:
        raise failed[0]
