"""Evidence over two replicas with two workers each, some killed: what the logs say together.

Each replica signs a log of its own (decision 20). Together they must hold every answered call, once
and in one of them, and the ledger that both share must say the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from cluster import Cluster, clustered, until
from gateway_rig import CHAT, HELLO
from processes import Service
from scripted import DONE, Talk, Upstream, whole

from federation.control.evidence_reading import EvidenceReading
from federation.evidence.signing import read_keys
from federation.evidence.verify import Verification
from federation_verify.log import Log

QUICK = "evidence: {checkpoint_s: 0.5, heartbeat_s: 1}\n"


async def unhurried(talk: Talk) -> None:
    await asyncio.sleep(0.005)
    await whole(talk)


@dataclass
class Clients:
    """Clients that ask until they are told to stop; the ids of whole answers."""

    answered: list[str] = field(default_factory=list)
    stopped: bool = False

    async def ask(self, service: Service, *, stream: bool) -> None:
        async with service.client() as client:
            while not self.stopped:
                with suppress(httpx.TransportError):
                    reply = await client.post(CHAT, json=HELLO | {"stream": stream})
                    if reply.status_code == 200 and (not stream or reply.content.endswith(DONE)):
                        self.answered.append(reply.headers["x-federation-call-id"])

    async def more(self, count: int) -> None:
        wanted = len(self.answered) + count

        async def came() -> bool:
            return len(self.answered) >= wanted

        await until(came)


async def killed(service: Service, chance: random.Random) -> None:
    """Kill one worker of a replica, and wait for another in its place."""
    before = service.workers()
    os.kill(chance.choice(sorted(before)), signal.SIGKILL)

    async def replaced() -> bool:
        return bool(service.workers() - before)

    await until(replaced)


async def test_two_replicas_with_four_workers_prove_every_answered_call_once(
    tmp_path: Path,
) -> None:
    chance, clients = random.Random(20), Clients()
    async with (
        Upstream(unhurried) as upstream,
        clustered(tmp_path, upstream.url, redis=False, workers=2, more=QUICK) as cluster,
    ):
        asking = [
            asyncio.ensure_future(clients.ask(service, stream=stream))
            for service in cluster.replicas
            for stream in (False, True)
        ]
        await clients.more(20)
        for service in cluster.replicas:
            await killed(service, chance)
            await clients.more(10)
        clients.stopped = True
        await asyncio.gather(*asking)

        async def over() -> bool:
            return not [row for row in cluster.calls() if row["outcome"] == "running"]

        await until(over)
        for service in cluster.replicas:
            service.process.send_signal(signal.SIGTERM)
            assert await service.exits() == 0
        ledger = {row["id"]: row for row in cluster.calls()}
        logs = [log_of(service) for service in cluster.replicas]
        for service in cluster.replicas:
            exported(cluster, service, tmp_path)

    writers = [{line["writer"] for line in log} for log in logs]
    assert writers[0]
    assert writers[1]
    assert not writers[0] & writers[1], "who writes, writes into one log"
    ended = Counter(call for log in logs for call in calls(log, "ended"))
    lost = Counter(call for log in logs for call in calls(log, "lost"))
    assert set(ended.values()) == {1}, "no call twice, in neither log"
    assert set(clients.answered) <= ended.keys(), "no answered call without a record"
    assert ended.keys() | lost.keys() == ledger.keys()
    assert {call for call, row in ledger.items() if row["outcome"] == "lost"} == lost.keys()
    for log in logs:
        places = Counter((line["writer"], line["seq"]) for line in log)
        assert set(places.values()) == {1}, "no number twice"
        assert set(clients.answered) & set(calls(log, "ended")), "both have answered"


def log_of(service: Service) -> list[dict[str, Any]]:
    """The records of a replica's log, once both verifiers have found nothing in it."""
    reading = EvidenceReading(service.data)
    keys, checkpoints, entries = reading.keys(), list(reading.checkpoints()), [*reading.entries()]
    trusted = read_keys(keys)[0].public
    assert Verification(trusted, keys).run(checkpoints, entries).findings == []
    assert not Log().verify(trusted, keys, checkpoints, entries)
    return [json.loads(entry)["line"] for entry in entries]


def calls(log: list[dict[str, Any]], kind: str) -> list[str]:
    return [line["record"]["call"] for line in log if line["record"]["type"] == kind]


def exported(cluster: Cluster, service: Service, root: Path) -> None:
    """What an auditor takes away of a replica verifies with nothing but its public key."""
    to = root / f"export-{service.data.parent.name}"
    run("federation.cli.main", "audit", "export", str(to), f"--data={service.data}",
        f"--config={service.config}", environ=cluster.environ)  # fmt: skip
    key = root / f"{to.name}.key"
    keys = EvidenceReading(service.data).keys()
    key.write_text(read_keys(keys)[0].public.hex())
    run("federation_verify.main", str(to), "--key", str(key), environ={})


def run(module: str, *words: str, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *words],
        check=False,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
