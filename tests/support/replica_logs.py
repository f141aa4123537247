"""The evidence log of a replica as processes leave it, and the deaths that it has to outlive."""

from __future__ import annotations

import json
import os
import random
import signal
from typing import Any

from cluster import until
from processes import Service

from federation.control.evidence_reading import EvidenceReading
from federation.evidence.signing import read_keys
from federation.evidence.verify import Verification
from federation_verify.log import Log

QUICK = "evidence: {checkpoint_s: 0.5, heartbeat_s: 1}\n"


async def worker_killed(service: Service, chance: random.Random) -> None:
    """Kill one worker of a replica, and wait for another in its place."""
    before = service.workers()
    os.kill(chance.choice(sorted(before)), signal.SIGKILL)

    async def replaced() -> bool:
        return bool(service.workers() - before)

    await until(replaced)


async def control_killed(service: Service) -> None:
    """Kill the control process of a replica, and wait for another in its place."""
    before = service.children()["control"]
    os.kill(before, signal.SIGKILL)

    async def replaced() -> bool:
        return service.children().get("control", before) != before

    await until(replaced)


def log_of(service: Service) -> list[dict[str, Any]]:
    """The records of a replica's log, once both verifiers have found nothing in it."""
    reading = EvidenceReading(service.data)
    keys, checkpoints, entries = reading.keys(), list(reading.checkpoints()), [*reading.entries()]
    trusted = read_keys(keys)[0].public
    assert Verification(trusted, keys).run(checkpoints, entries).findings == []
    assert not Log().verify(trusted, keys, checkpoints, entries)
    return [json.loads(entry)["line"] for entry in entries]
