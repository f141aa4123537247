from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from control_plane import ACME, Clock, Files, operator

from federation.config.server_settings import Access, ServerSettings
from federation.config.settings import (
    EvidenceSettings,
    SealingSettings,
    StorageSettings,
    TelemetrySettings,
)
from federation.control.configuration import Configuration
from federation.control.frames import unpack_snapshot
from federation.domain.policies import Condition, Policy, Residency
from federation.domain.routes import Settings
from federation.errors import ConfigError, Problem
from federation.storage.entries import Override
from federation.storage.memory import MemoryOverrides, MemoryVersions


def configured(files: Files) -> tuple[Configuration, MemoryOverrides, MemoryVersions]:
    overrides, versions = MemoryOverrides(), MemoryVersions()
    made = Configuration(files.read, files.look, overrides, versions, Clock())
    return made, overrides, versions


def test_the_first_configuration_is_version_one(tmp_path: Path) -> None:
    configuration, _, versions = configured(operator(tmp_path))
    assert configuration.snapshot.version == 1
    body = versions.body(1)
    assert body is not None
    kept = unpack_snapshot(body)
    assert kept.secrets == {}
    assert kept.deployments == configuration.snapshot.deployments


def test_a_bad_configuration_at_the_start_is_an_error(tmp_path: Path) -> None:
    files = operator(tmp_path)
    files.problems = [Problem("federation.yaml", 3, "unknown key 'x'")]
    with pytest.raises(ConfigError, match=r"federation\.yaml:3"):
        configured(files)


def test_the_same_configuration_keeps_its_version(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, overrides, versions = configured(files)
    assert not configuration.reload()
    again = Configuration(files.read, files.look, overrides, versions, Clock())
    assert again.snapshot.version == 1


def test_a_change_is_a_new_version(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, _, _ = configured(files)
    files.loaded = replace(files.loaded, settings=Settings(strategy="priority"))
    assert configuration.reload()
    assert configuration.snapshot.version == 2
    assert configuration.snapshot.settings.strategy == "priority"


def test_a_new_secret_is_put_in_force_under_the_same_version(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, _, _ = configured(files)
    files.secrets = {"acme": "sk-rotated"}
    assert configuration.reload()
    assert configuration.snapshot.version == 1
    assert configuration.snapshot.secrets == {"acme": "sk-rotated"}


def test_new_keys_of_the_environment_are_a_change(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, _, _ = configured(files)
    files.loaded = replace(files.loaded, access=Access(("fed_another-key",)))
    assert configuration.reload()
    assert configuration.snapshot.version == 1


def test_a_bad_file_keeps_what_was_in_force_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = operator(tmp_path)
    configuration, _, _ = configured(files)
    before = configuration.snapshot
    files.problems = [Problem("federation.yaml", 3, "unknown key 'x'")]
    with caplog.at_level(logging.ERROR):
        assert not configuration.reload()
    assert configuration.snapshot is before
    assert configuration.problems == tuple(files.problems)
    assert vars(caplog.records[0])["line"] == 3
    files.problems = []
    assert not configuration.reload()
    assert configuration.problems == ()


def test_files_that_leave_nobody_to_serve_keep_what_was_in_force(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, overrides, versions = configured(files)
    before, whole = configuration.snapshot, files.loaded
    files.loaded = replace(whole, providers={})
    assert not configuration.reload()
    assert configuration.snapshot is before
    (problem,) = configuration.problems
    assert (problem.where, "is gone" in problem.message) == ("providers", True)
    assert Configuration(files.read, files.look, overrides, versions, Clock()).snapshot != before
    off = replace(whole.providers["acme"], enabled=False)
    files.loaded = replace(whole, providers={"acme": off})
    assert configuration.reload(), "to switch one off is a decision"
    assert configuration.problems == ()


def test_warnings_are_logged_with_their_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = operator(tmp_path)
    warning = Problem("providers.yaml", 7, "open to others")
    files.loaded = replace(files.loaded, warnings=(warning,))
    with caplog.at_level(logging.WARNING):
        configured(files)
    assert vars(caplog.records[0])["problem"] == "open to others"


def test_whom_auto_leaves_out_is_logged_and_louder_where_that_is_everybody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = operator(tmp_path)
    rows = files.loaded.providers
    rows["acme"] = replace(rows["acme"], sources=("a page",))
    with caplog.at_level(logging.INFO):
        configured(files)
        files.loaded = replace(files.loaded, settings=Settings(auto_unknown=True))
        configured(files)
        rows["home"] = replace(rows["home"], enabled=False)
        files.loaded = replace(files.loaded, settings=Settings())
        configured(files)
    told = [vars(record) for record in caplog.records if record.message == "what auto uses"]
    assert [(each["levelname"], each["providers"]) for each in told] == [
        ("INFO", ["home"]),
        ("INFO", ["acme", "home"]),
        ("WARNING", []),
    ]
    assert [each["region_or_data_use_unknown"] for each in told] == [["acme"], [], ["acme"]]


@pytest.mark.parametrize(
    ("section", "change"),
    [
        ("server", ServerSettings(port=9000)),
        ("storage", StorageSettings(replica="eu-2")),
        ("telemetry", TelemetrySettings(level="debug")),
        ("evidence", EvidenceSettings(anchors=("file:/elsewhere",))),
        ("sealing", SealingSettings(tombstones="/elsewhere")),
    ],
)
def test_what_is_read_at_the_start_alone_is_said_to_wait_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, section: str, change: object
) -> None:
    files = operator(tmp_path)
    configuration, _, _ = configured(files)
    before = files.loaded
    assert configuration.waiting() == ()
    files.loaded = replace(before, **{section: change})  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        assert not configuration.reload()
    assert "next start" in caplog.text
    (waiting,) = configuration.waiting()
    assert str(waiting).startswith(f"{section}: ")
    files.loaded = before
    configuration.reload()
    assert configuration.waiting() == ()


def test_a_changed_file_is_noticed_once(tmp_path: Path) -> None:
    configuration, _, _ = configured(operator(tmp_path))
    assert not configuration.changed()
    (tmp_path / "federation.yaml").write_text("strategy: priority\n")
    assert configuration.changed()
    assert not configuration.changed()


def test_files_that_a_reload_brings_in_are_watched_too(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, _, _ = configured(files)
    secret = tmp_path / "acme.secret"
    files.loaded = replace(files.loaded, files=(secret,))
    configuration.reload()
    assert not configuration.changed()
    secret.write_text("sk-new")
    assert configuration.changed()


def test_an_override_is_a_version_of_its_own(tmp_path: Path) -> None:
    configuration, overrides, _ = configured(operator(tmp_path))
    overrides.save(Override(ACME.id, enabled=False, changed_ms=1, changed_by="admin"))
    assert configuration.recompile()
    assert configuration.snapshot.version == 2
    assert not configuration.snapshot.deployments[0].enabled
    assert not configuration.recompile()


EU_ONLY = Policy("eu-only", (Residency(places=("eu",)),))
BROKEN = Policy("odd", (Condition(expression="tenant == 1", file="policies/odd.yaml", line=4),))


def test_policies_are_in_force_with_the_place_of_the_store(tmp_path: Path) -> None:
    files = operator(tmp_path)
    files.loaded = replace(files.loaded, policies=(EU_ONLY,), store_regions=("de",))
    configuration, _, _ = configured(files)
    assert configuration.snapshot.policies == (EU_ONLY,)
    assert configuration.snapshot.store_regions == ("de",)
    files.loaded = replace(files.loaded, policies=(replace(EU_ONLY, version=2),))
    assert configuration.reload()
    assert configuration.snapshot.version == 2


def test_a_condition_that_cannot_be_used_is_refused_before_anybody_gets_it(tmp_path: Path) -> None:
    files = operator(tmp_path)
    configuration, _, versions = configured(files)
    files.loaded = replace(files.loaded, policies=(BROKEN,))
    assert not configuration.reload()
    (problem,) = configuration.problems
    assert (problem.where, problem.line) == ("policies/odd.yaml", 4)
    assert configuration.snapshot.policies == ()
    assert configuration.reading.loaded.policies == ()
    assert versions.body(2) is None
    with pytest.raises(ConfigError, match=r"odd\.yaml:4"):
        configured(files)


@pytest.mark.parametrize(("required", "stay"), [(None, True), (True, True), (False, False)])
def test_policies_that_are_all_gone_stay_in_force_unless_they_may_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, required: bool | None, stay: bool
) -> None:
    files = operator(tmp_path)
    files.loaded = replace(files.loaded, policies=(EU_ONLY,))
    configuration, _, _ = configured(files)
    files.loaded = replace(files.loaded, policies=(), policies_required=required)
    with caplog.at_level(logging.ERROR):
        assert configuration.reload() is not stay
    assert bool(configuration.snapshot.policies) is stay
    assert bool(configuration.problems) is stay
    assert bool(caplog.records) is stay


def test_one_policy_of_several_may_go(tmp_path: Path) -> None:
    files = operator(tmp_path)
    files.loaded = replace(files.loaded, policies=(EU_ONLY, replace(EU_ONLY, name="other")))
    configuration, _, _ = configured(files)
    files.loaded = replace(files.loaded, policies=(EU_ONLY,))
    assert configuration.reload()
    assert configuration.snapshot.policies == (EU_ONLY,)
