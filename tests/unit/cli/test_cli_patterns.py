"""A pattern that only the library refuses is an error with its line for every command that reads
policies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from federation.guardrails import patterns

Run = Callable[..., Result]
TEXT = """\
policy:
  name: ours
  rules:
    - pii:
        action: redact
        patterns: {staff: 'EMP-[0-9]{6}'}
"""


@pytest.mark.parametrize("command", ["config", "policy"])
def test_the_check_names_file_and_line(
    alone: Run, project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (project / "config" / "policies").mkdir(parents=True)
    (project / "config" / "policies" / "ours.yaml").write_text(TEXT)
    assert alone(command, "check").exit_code == 0

    monkeypatch.setattr(patterns, "_MEMORY", 64)
    refused = alone(command, "check")

    assert refused.exit_code == 78
    assert "ours.yaml:4: 'pii.patterns.staff' cannot be run" in refused.output
