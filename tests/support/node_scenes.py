"""Plays the scenes of a Node script against a gateway, all in one process."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from served import Gateway

HERE: Final = Path(__file__).parents[1] / "e2e" / "node"
NODE: Final = shutil.which("node")
Seen: TypeAlias = dict[str, dict[str, Any]]


def needs(package: str) -> list[pytest.MarkDecorator]:
    """The marks of a test module whose client is this Node package."""
    return [
        pytest.mark.skipif(NODE is None, reason="node is not installed"),
        pytest.mark.skipif(
            not (HERE / "node_modules" / package).is_dir(),
            reason="the Node SDKs are not installed: `make tests/e2e/node/node_modules`",
        ),
    ]


def play(script: str, gateway: Gateway, body_limit: int) -> Seen:
    """What each scene of a script saw."""
    given = {"url": gateway.url, "key": gateway.key, "bodyLimit": body_limit}
    done = subprocess.run(
        [str(NODE), script],
        cwd=HERE,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    scenes: Seen = json.loads(done.stdout)
    return scenes
