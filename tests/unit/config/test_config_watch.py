from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from federation.config import paths
from federation.config.peek import peek_server
from federation.config.watch import Fingerprint, watched
from federation.errors import ConfigError

Write = Callable[[str, str], Path]


def test_nothing_changed_is_no_difference(config_dir: Path, write: Write) -> None:
    write("federation.yaml", "a: 1")
    seen = Fingerprint.take(config_dir, config_dir / ".env")
    assert not seen.again().differs(seen)


@pytest.mark.parametrize("name", ["federation.yaml", "providers.yaml", "providers/a.yaml", ".env"])
def test_a_file_that_appears_changes_or_goes_is_a_difference(
    config_dir: Path, write: Write, name: str
) -> None:
    before = Fingerprint.take(config_dir, config_dir / ".env")
    path = write(name, "a: 1")
    there = before.again()
    assert there.differs(before)
    path.write_text("a: 22")
    changed = there.again()
    assert changed.differs(there)
    path.unlink()
    gone = changed.again()
    assert gone.differs(changed)
    assert not gone.differs(before)


def test_a_credential_file_is_watched_too(config_dir: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("1")
    seen = Fingerprint.take(config_dir, None, [key])
    key.write_text("22")
    assert seen.again().differs(seen)


def test_a_touched_file_with_the_same_content_is_no_difference(
    config_dir: Path, write: Write
) -> None:
    path = write("federation.yaml", "a: 1")
    seen = Fingerprint.take(config_dir)
    os.utime(path, (1, 1))
    assert not seen.again().differs(seen)


def test_a_content_is_not_read_again_while_time_and_size_stand(
    config_dir: Path, write: Write
) -> None:
    path = write("federation.yaml", "a: 1")
    seen = Fingerprint.take(config_dir)
    status = path.stat()
    path.write_text("a: 2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not seen.again().differs(seen)


def test_what_is_watched_is_what_is_read(config_dir: Path, write: Write) -> None:
    write("providers/b.yaml", "")
    write("providers/a.yaml", "")
    assert [path.name for path in watched(config_dir, config_dir / ".env")] == [
        "federation.yaml", "providers.yaml", "a.yaml", "b.yaml", ".env",
    ]  # fmt: skip


# Paths


def test_a_directory_comes_from_the_flag_then_the_variable_then_the_default() -> None:
    environ = {"FEDERATION_CONFIG_DIR": "/e/c", "FEDERATION_DATA_DIR": "/e/d"}
    assert paths.config_dir("/f", environ) == Path("/f")
    assert paths.config_dir(None, environ) == Path("/e/c")
    assert paths.config_dir(None, {}) == Path("config")
    assert paths.data_dir(None, environ) == Path("/e/d")
    assert paths.data_dir(None, {}) == Path("data")
    assert paths.admin_key_file(Path("d")) == Path("d/admin.key")


def test_sockets_lie_in_the_data_directory_unless_its_path_is_too_long(tmp_path: Path) -> None:
    short = Path("/srv/federation")
    assert paths.run_dir(short) == short / "run"
    long = Path("/srv") / ("x" * 120)
    run = paths.run_dir(long)
    assert len(bytes(run / "control.sock")) <= 108
    assert run != paths.run_dir(long / "y")
    assert run == paths.run_dir(long)


def test_the_env_file_lies_beside_a_directory_named_config_and_inside_any_other() -> None:
    assert paths.env_file(Path("/p/config")) == Path("/p/.env")
    assert paths.env_file(Path("/etc/federation")) == Path("/etc/federation/.env")


# Peeking


def test_peeking_finds_what_loading_finds(config_dir: Path, write: Write, loading: object) -> None:
    assert callable(loading)
    write("federation.yaml", "server: {host: h, port: 1, workers: 2, drain_s: 3, open: no}")
    for environ in (
        {},
        {"FEDERATION_PORT": "5", "FEDERATION_OPEN": "1", "FEDERATION_HOST": "localhost"},
        {"FEDERATION_WORKERS": " 4 ", "FEDERATION_DRAIN_S": "0.5"},
    ):
        assert peek_server(config_dir, environ) == loading(environ).server


def test_peeking_at_nothing_is_the_defaults(config_dir: Path, loading: object) -> None:
    assert callable(loading)
    assert peek_server(config_dir, {}) == loading().server


def test_peeking_reads_the_env_file(config_dir: Path, write: Write) -> None:
    assert peek_server(config_dir, {}, write(".env", "FEDERATION_PORT=4")).port == 4


@pytest.mark.parametrize(
    "text",
    [
        "server: {port: 70000}",
        "server: {port: x}",
        "server: {port: 1.5}",
        "server: {port: true}",
        "server: {workers: 0}",
        "server: {workers: []}",
        "server: {host: 'a b'}",
        "server: {host: 3}",
        "server: {drain_s: -1}",
        "server: {open: perhaps}",
        "server: ]",
    ],
)
def test_peeking_refuses_what_loading_refuses(config_dir: Path, write: Write, text: str) -> None:
    write("federation.yaml", text)
    with pytest.raises(ConfigError) as caught:
        peek_server(config_dir, {})
    assert "federation.yaml:1: " in str(caught.value)


def test_peeking_leaves_the_rest_of_the_file_to_loading(config_dir: Path, write: Write) -> None:
    write("federation.yaml", "server: {port: 3, nonsense: 1}\nrouts: 3")
    assert peek_server(config_dir, {}).port == 3
    write("federation.yaml", "server: 3")
    assert peek_server(config_dir, {}).port == 8000
    write("federation.yaml", "[1]")
    assert peek_server(config_dir, {}).port == 8000


def test_a_pipe_in_place_of_a_file_is_a_difference_and_keeps_nobody_waiting(
    config_dir: Path,
) -> None:
    before = Fingerprint.take(config_dir, None)
    os.mkfifo(config_dir / "federation.yaml")
    assert before.again().differs(before)
