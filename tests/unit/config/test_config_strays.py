"""Files that look as if they were configuration, and are not read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import a_catalogue

from federation.config.load import load
from federation.config.watch import Fingerprint
from federation.errors import ConfigError

Write = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("federation.yml", "is not read: name it federation.yaml"),
        ("federation.json", "is not read: name it federation.yaml"),
        ("providers.YML", "is not read: name it providers.yaml"),
        ("providers/acme.yml", "is not read: name it *.yaml"),
        ("providers/acme.YAML", "is not read: name it *.yaml"),
        ("policies/tests/eu.yml", "is not read: name it *.yaml"),
        ("policies.yaml", "is not read: put it into the directory 'policies'"),
        ("Policy.yml", "is not read: put it into the directory 'policies'"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name_and_its_end_is_noticed(
    config_dir: Path, write: Write, name: str, message: str
) -> None:
    before = Fingerprint.take(config_dir)
    path = write(name, "a: 1")
    with pytest.raises(ConfigError) as raised:
        load(config_dir, {}, a_catalogue())
    assert [(each.where, each.message) for each in raised.value.problems] == [(str(path), message)]
    assert before.again().differs(before)
    path.unlink()
    load(config_dir, {}, a_catalogue())
    assert not before.again().differs(before)


def test_others_may_lie_there_and_one_that_a_variable_names_is_read(
    config_dir: Path, write: Write
) -> None:
    for name in ("notes.md", "compose.yml", "providers/README", "policies/tests/data.csv"):
        write(name, "")
    named = write("providers.yml", "providers: []")
    load(config_dir, {"FEDERATION_PROVIDERS_FILE": str(named)}, a_catalogue())
