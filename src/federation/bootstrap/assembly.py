"""The written list of stages: how a worker's gateway is put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from federation.dialects.openai_responses.tables import NAME as RESPONSES
from federation.dialects.table import CLIENTS, COUNTS
from federation.gateway.call import Call, Handler, Stage, compose
from federation.gateway.chat import Chat
from federation.gateway.counting import Counting
from federation.gateway.desk import Desk
from federation.gateway.dispatcher import Dispatcher
from federation.gateway.operations.dispatcher import OperationDispatcher
from federation.gateway.operations.endpoint import Operations
from federation.gateway.passing import Passing
from federation.gateway.passthrough import PassThrough
from federation.gateway.responses.background import Background
from federation.gateway.responses.endpoint import Responses
from federation.gateway.responses.keeping import KeepingRoom, KeepingStage
from federation.gateway.responses.lookup import Lookup
from federation.gateway.responses.store import ResponseStore
from federation.gateway.retrying_journal import RetryingJournal
from federation.gateway.route_endpoint import RouteEndpoint, Summary
from federation.gateway.stages.addresses import AddressCheck
from federation.gateway.stages.admit import Admission
from federation.gateway.stages.guard import ContentGuard
from federation.gateway.stages.keep import ContentKeeper
from federation.gateway.stages.limit import Limiter
from federation.gateway.stages.record import DiskCheck, Recorder
from federation.gateway.stateless import without_refused_states
from federation.gateway.world import World


def assemble(world: World, control: Path, writer: str = "worker") -> Desk:
    """A worker's handler. `control` is the socket of the management plane, `writer` the name
    of the worker's journal.

    Identify stands before the pipeline, at the desk, because every path needs it. Record is
    outermost, so that a call which Admit refuses leaves its line too.
    """
    journal = world.journal = RetryingJournal(world.journal)
    world.stuck = journal.stuck
    recorder = Recorder(journal, world.meter, world.ended, world.clock, world.names, world.receipts)
    stages = (recorder, Limiter(world), Admission(world), DiskCheck(recorder))
    guard, keeper = ContentGuard(world), ContentKeeper(world)
    named = AddressCheck(world)
    checks = (named.chat, guard.chat)
    dispatcher = without_refused_states(Dispatcher(world))
    pipeline = compose((*stages, *checks, keeper), dispatcher)
    chats = {name: Chat(face, world, pipeline) for name, face in CLIENTS.items()}
    counting = {name: _counting(world, name, (*stages, *checks)) for name in COUNTS}
    inner = (*stages[1:], *checks, keeper)
    summed = compose((recorder, Summary(world), *inner), dispatcher)
    route = RouteEndpoint(world, Chat(CLIENTS["openai"], world, summed))
    operations = Operations(
        world,
        compose((*stages, named.operation, guard.operation, keeper), OperationDispatcher(world)),
    )
    responses, stored = _responses(
        world,
        lambda keeping: compose((recorder, keeping, *inner), dispatcher),
        counting[RESPONSES],
        control,
        writer,
    )
    return Desk(
        world,
        {**chats, RESPONSES: responses},
        stored,
        {**counting, RESPONSES: responses.count},
        operations,
        PassThrough(world, (*stages, named.operation), guard),
        route,
        Passing(world.transport, control),
    )


def _responses(
    world: World,
    pipeline: Callable[[KeepingStage], Handler[Call]],
    counting: Chat,
    control: Path,
    writer: str,
) -> tuple[Responses, Lookup]:
    store = ResponseStore(world.transport, control, lambda: world.internal_key)
    room = KeepingRoom(world, store)
    keeping = KeepingStage(room)
    chat = Chat(CLIENTS[RESPONSES], world, pipeline(keeping))
    background = Background(chat, store, room, writer)
    return Responses(world, chat, counting, store, keeping, background), Lookup(store, background)


def _counting(world: World, name: str, stages: tuple[Stage[Call], ...]) -> Chat:
    face = COUNTS[name]
    pipeline = compose(stages, Counting(world, face.render))
    return Chat(CLIENTS[name], world, pipeline, operation="count_tokens", chat_of=face.chat)
