"""A change of policy that has reached one replica of two: records say which rules bound a call."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from cluster import Cluster, clustered, until
from gateway_rig import CHAT, HELLO
from processes import Service
from replica_logs import QUICK, control_killed, log_of, worker_killed
from scripted import Upstream, whole

from federation.control.evidence_reading import EvidenceReading

EU = "policy: {name: here, rules: [{data_residency: [eu]}]}\n"
US = "policy: {name: here, rules: [{data_residency: [us]}]}\n"


def told(root: Path, name: str, text: str) -> None:
    """Put a policy into the configuration of one replica."""
    policies = root / name / "config" / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "here.yaml").write_text(text)


async def asked(service: Service, status: int) -> None:
    """Ask until a replica answers so: until then its workers may have the former rules."""
    async with service.client() as client:

        async def answers() -> bool:
            return (await client.post(CHAT, json=HELLO)).status_code == status

        await until(answers)


async def sealed(service: Service) -> None:
    """Wait until the log of a replica holds a call that is made now, after all others."""
    async with service.client() as client:
        call = (await client.post(CHAT, json=HELLO)).headers["x-request-id"].encode()

    async def is_there() -> bool:
        return any(call in entry for entry in EvidenceReading(service.data).entries())

    await until(is_there)


async def asks(service: Service, seen: Counter[int], stopped: asyncio.Event) -> None:
    async with service.client() as client:
        while not stopped.is_set():
            with suppress(httpx.TransportError):
                seen[(await client.post(CHAT, json=HELLO)).status_code] += 1


async def test_of_replicas_with_different_rules_each_says_by_which_it_went(
    tmp_path: Path,
) -> None:
    async with (
        Upstream(whole) as upstream,
        clustered(tmp_path, upstream.url, redis=False, workers=2, more=QUICK) as cluster,
    ):
        for name in ("a", "b"):
            told(tmp_path, name, EU)
        for service in cluster.replicas:
            await asked(service, 200)
        told(tmp_path, "a", US)
        await asked(cluster.replicas[0], 403)
        statuses = await under_way(cluster)
        for service in cluster.replicas:
            await sealed(service)
            service.process.send_signal(signal.SIGTERM)
            assert await service.exits() == 0
        logs = [log_of(service) for service in cluster.replicas]
    assert set(statuses[0]) <= {403, 503}
    assert statuses[0][403]
    assert set(statuses[1]) <= {200, 503}
    assert statuses[1][200]
    meaning: dict[int, set[tuple[str, ...]]] = {}
    for log in logs:
        for each in of(log, "in_force"):
            rules = (each["digest"], *each.get("policies", ()))
            meaning.setdefault(each["version"], set()).add(rules)
    assert all(len(rules) == 1 for rules in meaning.values()), "a number means one thing, to all"
    bound = [told_by(log, meaning) for log in logs]
    assert len(bound[0][403]) == 1
    assert bound[0][403].isdisjoint(bound[1][200]), "the same name, and another digest"


async def under_way(cluster: Cluster) -> list[Counter[int]]:
    """Calls at both while processes of the one that knows the change are killed; what they got."""
    seen, stopped = [Counter[int](), Counter[int]()], asyncio.Event()
    asking = [
        asyncio.ensure_future(asks(*each, stopped))
        for each in zip(cluster.replicas, seen, strict=True)
    ]
    await control_killed(cluster.replicas[0])
    await worker_killed(cluster.replicas[0], random.Random(1))
    await asyncio.sleep(1)
    stopped.set()
    await asyncio.gather(*asking)
    return seen


def of(log: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line["record"] for line in log if line["record"]["type"] == kind]


def told_by(
    log: list[dict[str, Any]], meaning: dict[int, set[tuple[str, ...]]]
) -> dict[int, set[str]]:
    """The policies that bound calls, by their status; each was in force by the same log."""
    known = {label for each in of(log, "in_force") for label in each.get("policies", ())}
    found: dict[int, set[str]] = {}
    for each in of(log, "ended"):
        labels = set(each.get("policies", ()))
        assert labels <= known
        found.setdefault(each["status"], set()).update(labels)
        if decision := each.get("decision"):
            ((_, *rules),) = meaning[decision["snapshot"]]
            assert labels <= set(rules), "the number of the snapshot leads to the same rules"
    return found
