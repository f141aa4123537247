"""A gateway over real sockets in front of the lab: misbehaving models by name, and their log.

    async with lab_world("lab-same:cut-40", "anthropic/lab-prefill") as world:
        told = await world.ask("gemini", stream=True)
        assert told.text == world.full
        assert [seen.play for seen in world.seen(0)] == ["cut-40"]

Target `n` is the provider `pn`, whose deployment is `pn/<model>`; all of them stand behind the
route `chat` in the order in which they were named. `refused` is a port at which nobody listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from gateway_rig import at_rest, eventually, http_client
from inprocess import TOOLS, Gateway, deployment, gateway, model, provider, snapshot
from lab_clients import CLIENTS, PROMPT, Told, ask

from federation.domain.catalogue import Ability, Deployment
from federation.domain.routes import Deadlines, Route, Settings, Target
from federation.sandbox.lab import Lab
from federation.sandbox.lab_log import Seen
from federation.sandbox.lab_voices import REFUSE, Voice, find_voice, numbered
from federation.sandbox.rows import BASES
from federation.schema.records import CallEnded

__all__ = [
    "CLIENTS",
    "FULL",
    "LONG_PROMPT",
    "OTHER",
    "PROMPT",
    "SHORT",
    "At",
    "LabWorld",
    "Told",
    "lab_world",
]

FULL = numbered("w")
"""The answer of the voices that say w."""
OTHER = numbered("x")
LONG_PROMPT = "word " * 1_200
"""Too long for `lab-small`."""
SHORT = Deadlines(connect_s=1.0, first_token_s=1.0, idle_s=1.0, total_s=20.0)


@dataclass(frozen=True)
class At:
    """One target: a lab model behind a language. `context` is what its row promises."""

    model: str
    dialect: str = "openai"
    refused: bool = False
    context: int | None = None
    prefill: bool | None = None
    """Whether its row says that it goes on with an answer; None: as the voice does."""

    @property
    def voice(self) -> Voice:
        """Who speaks."""
        found = find_voice(self.model.partition(":")[0])
        assert found is not None, self.model
        return found[0]

    @property
    def row(self) -> dict[str, Any]:
        """What its row says of the model."""
        prefills = self.voice.prefill != REFUSE if self.prefill is None else self.prefill
        return {
            "context": self.context or max(self.voice.context, 128_000),
            "abilities": TOOLS | {Ability.PREFILL} if prefills else TOOLS,
        }

    @property
    def quirks(self) -> dict[str, object]:
        """What its row says of the host: in one language the turn must be marked."""
        return {"prefill": "prefix"} if self.dialect == "openai" else {}


def at(target: str | At) -> At:
    """`dialect/model`, `model` (OpenAI's language) or `refused`."""
    if isinstance(target, At):
        return target
    if target == "refused":
        return At("lab-same", refused=True)
    dialect, slash, name = target.rpartition("/")
    return At(name, dialect if slash else "openai")


@dataclass
class LabWorld:
    """The lab, the gateway before it, and a client of the gateway."""

    lab: Lab
    running: Gateway
    http: httpx.AsyncClient
    deployments: tuple[Deployment, ...]
    full: str = FULL

    async def ask(self, client: str = "openai", *, stream: bool = False, **wishes: Any) -> Told:
        """One call to the route; see `lab_clients.ask`."""
        return await ask(self.http, client, stream=stream, **wishes)

    async def begin(self, client: str = "openai", *, stream: bool = True) -> asyncio.Task[Told]:
        """A call that goes on beside the test; returns once the lab has seen it."""
        before = len(self.lab.log.entries)
        task = asyncio.create_task(self.ask(client, stream=stream))
        await eventually(lambda: len(self.lab.log.entries) > before)
        return task

    def seen(self, target: int | None = None) -> list[Seen]:
        """The chat calls that the lab saw, of one target or of all."""
        return self.lab.log.of("" if target is None else f"p{target}")

    @property
    def tries(self) -> list[int]:
        """How often each target was asked."""
        return [len(self.seen(target)) for target in range(len(self.deployments))]

    @property
    def order(self) -> list[int]:
        """The targets in the order in which they were asked."""
        return [int(seen.provider[1:]) for seen in self.seen()]

    @property
    def ended(self) -> CallEnded:
        """What the books say of the last call."""
        return self.running.books.ended[-1]

    async def settled(self, within_s: float = 5.0) -> None:
        """Wait until nothing is in flight any more, at the gateway or at the lab."""
        await eventually(lambda: at_rest(self.running) and not self.lab.in_flight, within_s)

    def mended(self, told: Told) -> bool:
        """Whether the end of the answer says that it was mended."""
        tail = b"".join(told.raw.split(b"\n\n")[-4:])
        return b"mended" in tail or "mended" in " ".join((*told.headers, *told.headers.values()))


@asynccontextmanager
async def lab_world(
    *targets: str | At,
    deadlines: Deadlines | None = None,
    mend: str | None = None,
    settings: Settings | None = None,
    route: Route | None = None,
    more: tuple[Route, ...] = (),
    seed: int = 0,
    pace_s: float = 0.002,
    slow_s: float = 20.0,
    timeout: float = 30.0,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[LabWorld]:
    """A running lab and gateway. A `route` takes the place of `chat` over all targets; `clock`
    is the gateway's, which health and circuits go by."""
    lab = Lab(seed=seed, pace_s=pace_s, slow_s=slow_s)
    await lab.start()
    rows = tuple(_row(lab, place, at(target)) for place, target in enumerate(targets))
    every = tuple(Target(row.id) for row in rows)
    chat = route or Route("chat", "priority", every, deadlines=deadlines, mend=mend)
    state = snapshot(rows, chat, *more, settings=settings)
    try:
        async with (
            gateway(state, clock=clock) as running,
            http_client(running.url, timeout) as http,
        ):
            yield LabWorld(lab, running, http, rows)
    finally:
        await lab.aclose()


def _row(lab: Lab, place: int, target: At) -> Deployment:
    base = lab.base_url(target.dialect, f"p{place}")
    if target.refused:
        base = f"http://127.0.0.1:{lab.refused_port}{BASES[target.dialect]}"
    row = provider(f"p{place}", base, dialect=target.dialect, quirks=target.quirks)
    return deployment(row, model(target.model, **target.row))
