"""Nodes, overflow and probes of whoever is not well: the control process's part of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from control_plane import ACME, Clock, Files, Provided, operator

from federation.control.configuration import Configuration
from federation.control.deployment_health import HealthDesk, together
from federation.control.link_server import LinkServer, Session
from federation.control.nodes import NodeDesk, Wish, with_nodes
from federation.control.overflow import OverflowDesk, with_overflow
from federation.control.probes import Probe, Prober
from federation.control.providers import ProviderDesk
from federation.control.threads import Errands
from federation.domain.access import Role, VirtualKey
from federation.domain.catalogue import Deployment
from federation.domain.routes import Overflow
from federation.errors import InvalidRequest, NotFound
from federation.gateway.tokens import Tokens
from federation.schema.link import Condition, Measure
from federation.storage.memory import MemoryOverrides, MemoryVersions
from federation.storage.nodes_entries import NodeEntry
from federation.storage.nodes_memory import MemoryNodes, MemoryOverflow

ADMIN = VirtualKey("key_admin", b"", "admin", "default", Role.ADMIN, 0)
BOX = Wish("box", "http://10.0.0.7:8000/v1/", "openai", "eu", ("tiny", "large"), ("tools",), 3)


class Link:
    """What workers say, and what they are told."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.told: list[Measure] = []

    def says(self, *conditions: Condition) -> None:
        session = Session(cast("Any", None), cast("Any", None), 0)
        session.conditions = list(conditions)
        self.sessions.append(session)

    def note(self, measures: list[Measure]) -> None:
        self.told += measures


@dataclass
class Rig:
    files: Files
    provided: Provided
    configuration: Configuration
    health: HealthDesk
    desk: NodeDesk
    spilling: OverflowDesk
    link: Link
    nodes: MemoryNodes
    overflow: MemoryOverflow
    overrides: MemoryOverrides
    published: list[int]

    def again(self) -> Configuration:
        """What another control process over the same stores puts in force."""
        return configuration(self.files, self.overrides, self.nodes, self.overflow)

    def deployments(self, provider: str) -> dict[str, Deployment]:
        found = self.configuration.snapshot.deployments
        return {each.model.id: each for each in found if each.provider.id == provider}


def configuration(
    files: Files, overrides: MemoryOverrides, nodes: MemoryNodes, overflow: MemoryOverflow
) -> Configuration:
    return Configuration(
        files.read,
        files.look,
        overrides,
        MemoryVersions(),
        Clock(),
        lambda loaded: with_overflow(with_nodes(loaded, nodes.list()), overflow.list()),
    )


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    files, provided, overrides = operator(tmp_path), Provided(), MemoryOverrides()
    nodes, overflow, errands = MemoryNodes(), MemoryOverflow(), Errands("store")
    made = configuration(files, overrides, nodes, overflow)
    prober, clock = Prober(provided, Tokens(provided).sign), Clock()
    providers = ProviderDesk(made, overrides, prober, errands, clock)
    desk = NodeDesk(made, nodes, prober, errands, clock)
    spilling = OverflowDesk(made, overflow, providers.test, errands, clock)
    health = HealthDesk(made, desk, prober, clock)
    link = Link()
    health.link = cast("LinkServer", link)
    published: list[int] = []

    async def publish() -> None:
        published.append(made.snapshot.version)

    for each in (providers, desk, spilling):
        each.publish = publish
    yield Rig(
        files, provided, made, health, desk, spilling, link, nodes, overflow, overrides, published
    )
    errands.close()


async def test_a_node_that_answers_is_ready_and_becomes_deployments(rig: Rig) -> None:
    registered = await rig.desk.register(BOX, ADMIN)
    assert registered.node.state == "ready"
    assert registered.probe is not None
    assert registered.probe.ok
    box = rig.deployments("box")
    assert sorted(box) == ["large", "tiny"]
    row = box["tiny"].provider
    assert (row.local, row.private, row.base_url) == (True, True, "http://10.0.0.7:8000/v1")
    assert (row.regions, row.limits.concurrency) == (("eu",), 3)
    assert box["tiny"].usable
    assert box["tiny"].enabled
    assert rig.published == [2]
    assert rig.again().snapshot.digest == rig.configuration.snapshot.digest


async def test_a_node_that_is_silent_loads_until_it_answers(rig: Rig) -> None:
    rig.provided.status = 503
    assert (await rig.desk.register(BOX, ADMIN)).node.state == "loading"
    assert not rig.deployments("box")["tiny"].enabled
    await rig.health.round()
    assert not rig.deployments("box")["tiny"].enabled
    rig.provided.status = 200
    await rig.health.round()
    assert rig.deployments("box")["tiny"].enabled
    assert [node.state for node in await rig.desk.everybody()] == ["ready"]


async def test_a_node_that_is_removed_while_it_is_asked_ends_no_round(rig: Rig) -> None:
    rig.provided.status = 503
    await rig.desk.register(BOX, ADMIN)
    rig.provided.status = 200
    ask = rig.health._prober.ask

    async def slow(*given: Any) -> Probe:
        found = await ask(*given)
        await rig.desk.remove("box", ADMIN)
        return found

    cast("Any", rig.health._prober).ask = slow
    await rig.health.round()
    assert [node.state for node in rig.nodes.list()] == ["removed"]


async def test_a_node_that_this_version_knows_no_more_holds_up_nobody(rig: Rig) -> None:
    kept = NodeEntry(
        "old", "http://10.0.0.9/v1", "gone", "eu", ("m",), (), None, "loading", 1, "key_admin"
    )
    rig.nodes.save(kept)
    rig.provided.status = 503
    await rig.desk.register(BOX, ADMIN)
    rig.provided.status = 200
    await rig.health.round()
    states = {each.id: each.state for each in await rig.desk.everybody()}
    assert states == {"old": "loading", "box": "ready"}


async def test_draining_takes_no_new_calls_and_removing_forgets(rig: Rig) -> None:
    await rig.desk.register(BOX, ADMIN)
    await rig.desk.drain("box", ADMIN)
    assert not rig.deployments("box")["tiny"].enabled
    await rig.health.round()
    assert [node.state for node in await rig.desk.everybody()] == ["draining"]
    await rig.desk.remove("box", ADMIN)
    assert rig.deployments("box") == {}
    assert await rig.desk.everybody() == []
    with pytest.raises(NotFound):
        await rig.desk.drain("box", ADMIN)
    assert (await rig.desk.register(BOX, ADMIN)).node.state == "ready"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "acme"}, "id"),
        ({"id": "A box"}, "id"),
        ({"base_url": "ftp://box"}, "base_url"),
        ({"base_url": "http://user:secret@box/v1"}, "base_url"),
        ({"dialect": "klingon"}, "dialect"),
        ({"region": "atlantis"}, "region"),
        ({"models": ()}, "models"),
        ({"models": ("a b",)}, "models"),
        ({"abilities": ("flying",)}, "abilities"),
    ],
)
async def test_what_is_no_node_is_refused_with_the_field(
    rig: Rig, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await rig.desk.register(replace(BOX, **change), ADMIN)
    assert caught.value.param == field
    assert "secret" not in caught.value.message
    assert rig.nodes.list() == []


async def test_a_row_of_a_file_goes_before_a_node_of_its_name(rig: Rig) -> None:
    await rig.desk.register(BOX, ADMIN)
    rows = rig.files.loaded.providers | {"box": replace(ACME, id="box")}
    rig.files.loaded = replace(rig.files.loaded, providers=rows)
    rig.configuration.reload()
    assert rig.deployments("box")["large"].provider.base_url == "https://acme.test/v1"


async def test_an_overflow_provider_is_probed_kept_and_survives(rig: Rig) -> None:
    told = await rig.spilling.add("acme", ADMIN)
    assert told.probe is not None
    assert (told.providers, told.enabled) == (("acme",), True)
    assert rig.published == [told.version] == [2]
    rig.configuration.reload()
    for each in (rig.configuration, rig.again()):
        assert each.snapshot.settings.overflow.providers == ("acme",)
    gone = await rig.spilling.remove("acme", ADMIN)
    assert len(gone.providers) == 0
    assert not rig.again().snapshot.settings.overflow.providers


async def test_an_overflow_provider_that_cannot_serve_is_not_taken(rig: Rig) -> None:
    rig.provided.status = 401
    for name, code in (("acme", "probe_failed"), ("home", "local_provider")):
        with pytest.raises(InvalidRequest) as caught:
            await rig.spilling.add(name, ADMIN)
        assert (caught.value.status, caught.value.code) == (409, code)
    with pytest.raises(NotFound):
        await rig.spilling.add("nobody", ADMIN)
    assert rig.overflow.list() == []


async def test_a_decision_at_run_time_goes_before_the_file(rig: Rig) -> None:
    loaded = rig.files.loaded
    settings = replace(loaded.settings, overflow=Overflow(providers=("acme",)))
    rig.files.loaded = replace(loaded, settings=settings)
    rig.configuration.reload()
    assert rig.configuration.snapshot.settings.overflow.providers == ("acme",)
    await rig.spilling.remove("acme", ADMIN)
    rig.configuration.reload()
    assert len(rig.configuration.snapshot.settings.overflow.providers) == 0


async def test_only_who_is_not_well_is_probed_and_each_provider_once(rig: Rig) -> None:
    rig.link.says(
        Condition("acme/large", "unhealthy", "open", 0),
        Condition("acme/small", "degraded", "closed", 2),
        Condition("home/tiny", "healthy", "closed", 1),
        Condition("gone/gone", "unhealthy", "open", 0),
    )
    await rig.health.round()
    assert [asked.origin.host for asked in rig.provided.asked] == ["acme.test"]
    assert [(told.deployment, told.error) for told in rig.link.told] == [
        ("acme/large", "probed"),
        ("acme/small", "probed"),
    ]


async def test_a_probe_that_fails_tells_nobody_anything(rig: Rig) -> None:
    rig.provided.status = 500
    rig.link.says(Condition("acme/large", "unhealthy", "open", 0))
    await rig.health.round()
    assert rig.provided.asked
    assert rig.link.told == []


def test_workers_views_are_put_together_the_worst_word_and_the_sums() -> None:
    seen = together(
        [
            Condition("a/b", "healthy", "closed", 2, 3, 10),
            Condition("a/b", "unhealthy", "half_open", 1, 0, 5, crowded=True),
        ]
    )
    assert (seen.health, seen.circuit, seen.crowded) == ("unhealthy", "half_open", True)
    assert (seen.in_flight, seen.queued, seen.tokens) == (3, 3, 15)
