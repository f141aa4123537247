"""What only an engine can refuse is refused when a policy is loaded, with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_world import a_catalogue

from federation.config import policies
from federation.control.policies_checked import check_policies
from federation.domain.policies import Policy
from federation.errors import ConfigError, Problem
from federation.guardrails import patterns

TEXT = """\
policy:
  name: ours
  rules:
    - all_requests_logged: true
    - pii:
        action: redact
        patterns:
          staff: 'EMP-[0-9]{6}'
    - condition: CONDITION
"""


def read(tmp_path: Path, condition: str) -> tuple[Policy, ...]:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(TEXT.replace("CONDITION", condition))
    problems: list[Problem] = []
    found = policies.read(tmp_path, a_catalogue(), set(), problems)
    assert problems == []
    return found


def test_what_can_be_run_passes(tmp_path: Path) -> None:
    check_policies(read(tmp_path, "stream"))


def test_every_pattern_and_condition_that_cannot_be_run_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read(tmp_path, "'1 + 1'")
    # No pattern is known that configuration lets through and the library does not: it gets less
    # memory here than any pattern needs.
    monkeypatch.setattr(patterns, "_MEMORY", 64)
    with pytest.raises(ConfigError) as refused:
        check_policies(found)
    where = [(Path(each.where).name, each.line) for each in refused.value.problems]
    assert where == [("p.yaml", 5), ("p.yaml", 9)]
    assert "'pii.patterns.staff' cannot be run" in refused.value.problems[0].message
