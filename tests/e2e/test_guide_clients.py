"""Every example of the guide to clients, run as it stands there but for the address."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from node_scenes import HERE, NODE, needs
from openai_upstream import WORDS
from served import Gateway, environment
from tls_front import tls_front

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "clients.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
JAVASCRIPT = [code for language, code in BLOCKS if language == "javascript"]
TEXT = "".join(WORDS)
PLAIN, SECURE = "http://127.0.0.1:8000", "https://gateway.example"


def named(code: str) -> str:
    """The client that an example is about."""
    found = re.search(r"^(?:import|from) (?!os\b)(\w+)", code, re.MULTILINE)
    assert found is not None
    return found[1]


def run(command: list[str], gateway: Gateway, **more: str) -> str:
    done = subprocess.run(
        command,
        cwd=HERE,
        env=environment(gateway.config, gateway.data) | {"FEDERATION_API_KEY": gateway.key, **more},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_guide_has_an_example_for_every_client() -> None:
    assert [named(code) for code in PYTHON] == [
        *("openai", "anthropic", "google", "boto3", "boto3", "cohere", "ollama"),
    ]
    assert len(JAVASCRIPT) == 2


@pytest.mark.parametrize("code", PYTHON, ids=[named(code) for code in PYTHON])
def test_an_example_in_python_runs(gateway: Gateway, code: str, tmp_path: Path) -> None:
    if SECURE in code:
        port = int(gateway.url.rpartition(":")[2])
        with tls_front(port, tmp_path) as (url, certificate):
            script = code.replace(SECURE, url)
            out = run([sys.executable, "-c", script], gateway, AWS_CA_BUNDLE=str(certificate))
    else:
        assert PLAIN in code
        out = run([sys.executable, "-c", code.replace(PLAIN, gateway.url)], gateway)
    assert TEXT in out


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, marks=needs(package), id=package)
        for code, package in zip(JAVASCRIPT, ("openai", "@anthropic-ai"), strict=True)
    ],
)
def test_an_example_in_javascript_runs(gateway: Gateway, code: str) -> None:
    script = code.replace(PLAIN, gateway.url)
    assert TEXT in run([str(NODE), "--input-type=module", "--eval", script], gateway)
