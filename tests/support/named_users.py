"""A service whose calls name users: what a test says to it, and all that it left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import ADMIN, Service
from scripted import Talk, completion

BROKEN = "please-fail"
COSTS = "/v1/analytics/costs"
NAMES = "/v1/admin/data/names"


async def behave(talk: Talk) -> None:
    body = talk.seen.json
    if BROKEN in json.dumps(body):
        await talk.answer(b'{"error":{"message":"no","type":"server_error"}}', 500)
        return
    await talk.answer(completion("fine"))


def call(**more: Any) -> dict[str, Any]:
    said = more.pop("said", "hello")
    return {"model": "chat", "messages": [{"role": "user", "content": said}]} | more


def cli(service: Service, *words: str) -> tuple[int, str]:
    """`federation ...` beside the service; its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "federation.cli.main", *words],
        env={
            "PATH": "/usr/bin:/bin",
            "FEDERATION_URL": service.url,
            "FEDERATION_API_KEY": ADMIN,
            "FEDERATION_DATA_DIR": str(service.data),
        }
        | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


def files(root: Path) -> Iterator[tuple[Path, bytes]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()
