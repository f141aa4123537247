"""What a shell asks while a command is being typed, as its completion script asks it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def asked(**variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "federation.cli.main"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "at", "offered"),
    [
        ("federation ro", "1", ["route"]),
        ("federation key ", "2", ["create", "list", "revoke"]),
        ("federation provider ce", "2", ["certify"]),
    ],
)
def test_bash_is_offered_commands(words: str, at: str, offered: list[str]) -> None:
    found = asked(_FEDERATION_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=at)
    assert set(offered) <= set(found)
    assert "Usage:" not in found


def test_a_script_is_written_for_the_shell() -> None:
    found = asked(_FEDERATION_COMPLETE="source_bash")
    assert "COMPREPLY=(" in found
