"""Evidence over two replicas with two workers each, some killed: what the logs say together.

Each replica signs a log of its own and holds what the other's had come to (decisions 20 and 41).
Together they must hold every answered call, once and in one of them, the ledger that both share
must say the same, and one public key must be enough to verify both as one.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from cluster import Cluster, clustered, until
from gateway_rig import CHAT, HELLO
from processes import Service
from replica_logs import QUICK, control_killed, log_of, worker_killed
from scripted import DONE, Talk, Upstream, whole

from federation.control.evidence_reading import EvidenceReading
from federation.evidence.checkpoints import read_checkpoint
from federation.evidence.signing import read_keys


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
            await worker_killed(service, chance)
            await control_killed(service)
            await clients.more(10)
        clients.stopped = True
        await asyncio.gather(*asking)
        for service in cluster.replicas:
            await witnessed(service)

        async def over() -> bool:
            return not [row for row in cluster.calls() if row["outcome"] == "running"]

        await until(over)
        for service in cluster.replicas:
            service.process.send_signal(signal.SIGTERM)
            assert await service.exits() == 0
        ledger = {row["id"]: row for row in cluster.calls()}
        logs = [log_of(service) for service in cluster.replicas]
        verified_as_one(cluster, tmp_path)

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


def calls(log: list[dict[str, Any]], kind: str) -> list[str]:
    return [line["record"]["call"] for line in log if line["record"]["type"] == kind]


async def witnessed(service: Service) -> None:
    """Wait until the log of a replica holds what the other's has come to."""

    async def is_there() -> bool:
        return any(
            b'"type":"witnessed"' in entry for entry in EvidenceReading(service.data).entries()
        )

    await until(is_there)


def verified_as_one(cluster: Cluster, root: Path) -> None:
    """What an auditor takes away verifies with one public key, and with the ledger; each log by
    itself with its own; and what is left out, or missing in the ledger, is named."""
    both = root / "exports"
    environ = cluster.environ
    for service in cluster.replicas:
        named = environ | {"FEDERATION_REPLICA": service.data.parent.name}
        federation("export", f"--into={both}", service=service, environ=named)
    exports = sorted(both.iterdir())
    assert [each.name[:2] for each in exports] == ["a-", "b-"]
    for export in exports:
        row = (export / "keys.jsonl").read_bytes().splitlines(keepends=True)
        key = f"--key={read_keys(row)[0].public.hex()}"
        run("federation_verify.main", str(export), key, "--alone", environ={})
        run("federation_verify.main", str(both), key, environ={})
        last = cluster.replicas[-1]
        federation("verify", str(both), key, "--ledger", service=last, environ=environ)
        said = run("federation_verify.main", str(export), key, environ={}, code=1)
        assert "[missing]" in said
    older = root / "older"
    shutil.copytree(both, older)
    cut_short(older / exports[0].name)
    assert "[rolled_back]" in run("federation_verify.main", str(older), key, environ={}, code=1)
    said = federation("verify", str(older), key, service=last, environ=environ, code=1)
    assert "[rolled_back]" in said
    with psycopg.connect(cluster.database) as connection:
        connection.execute("DELETE FROM calls WHERE id = (SELECT min(id) FROM calls)")
    words = ("verify", *map(str, exports), key, "--ledger")
    assert "[ledger] Call" in federation(*words, service=last, environ=environ, code=1)


def cut_short(export: Path) -> None:
    """Make an export what it was earlier: its first checkpoint and that one's records."""
    checkpoints = (export / "checkpoints.jsonl").read_bytes().splitlines(keepends=True)
    size = read_checkpoint(checkpoints[0]).body.size
    entries = (export / "entries.jsonl").read_bytes().splitlines(keepends=True)
    (export / "checkpoints.jsonl").write_bytes(checkpoints[0])
    (export / "entries.jsonl").write_bytes(b"".join(entries[:size]))


def federation(*words: str, service: Service, environ: dict[str, str], code: int = 0) -> str:
    where = f"--data={service.data}", f"--config={service.config}"
    return run("federation.cli.main", "audit", *words, *where, environ=environ, code=code)


def run(module: str, *words: str, environ: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *words],
        check=False,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr
