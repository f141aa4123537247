"""The written list of stages: how a worker's gateway is put together."""

from __future__ import annotations

from pathlib import Path

from federation.dialects.table import CLIENTS, COUNTS
from federation.gateway.call import Stage, compose
from federation.gateway.chat import Chat
from federation.gateway.counting import Counting
from federation.gateway.desk import Desk
from federation.gateway.dispatcher import Dispatcher
from federation.gateway.passing import Passing
from federation.gateway.route_endpoint import RouteEndpoint
from federation.gateway.stages.admit import Admission
from federation.gateway.stages.record import Recorder
from federation.gateway.world import World


def assemble(world: World, control: Path) -> Desk:
    """A worker's handler. `control` is the socket of the management plane.

    Identify stands before the pipeline, at the desk, because every path needs it. Record is
    outermost, so that a call which Admit refuses leaves its line too.
    """
    stages: tuple[Stage, ...] = (
        Recorder(world.journal, world.meter, world.ended, world.clock),
        Admission(world),
    )
    pipeline = compose(stages, Dispatcher(world))
    chats = {name: Chat(face, world, pipeline) for name, face in CLIENTS.items()}
    counts = {
        name: Chat(
            CLIENTS[name],
            world,
            compose(stages, Counting(world, face.render)),
            operation="count_tokens",
            chat_of=face.chat,
        )
        for name, face in COUNTS.items()
    }
    route = RouteEndpoint(world, chats["openai"])
    return Desk(world, chats, counts, route, Passing(world.transport, control))
