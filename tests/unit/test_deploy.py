"""The files in deploy/: they can be read, and what they name is there."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from federation.config.variables import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KNOWN = {variable.name for variable in VARIABLES}
EVERY = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_variable_that_is_named_is_one_of_ours(path: Path) -> None:
    named = set(re.findall(r"\bFEDERATION_[A-Z_]+\b", path.read_text()))
    assert named <= KNOWN


@pytest.mark.parametrize("path", EVERY, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_file_of_the_repository_that_is_named_is_there(path: Path) -> None:
    for named in re.findall(r"(?<![\w/])((?:deploy|docs)/[\w./@-]+\w)", path.read_text()):
        there = (ROOT / named).exists() or (ROOT / named).name == ".env"
        assert there, named


def test_yaml_is_yaml() -> None:
    found = sorted(DEPLOY.rglob("*.yaml"))
    assert len(found) >= 4
    for path in found:
        assert all(yaml.safe_load_all(path.read_text()))


def test_compose_starts_what_the_guide_draws() -> None:
    whole = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
    assert set(whole["services"]) == {"a", "b", "nginx", "postgres", "redis"}
    for name in ("a", "b"):
        assert whole["services"][name]["environment"] == {"FEDERATION_REPLICA": name}


def test_the_image_is_built_of_all_files_that_its_metadata_is_read_from() -> None:
    dockerfile = (DEPLOY / "docker" / "Dockerfile").read_text()
    copied = {
        Path(each)
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
        for each in line.split()
    }
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())
    dynamic = built["tool"]["setuptools"]["dynamic"]
    rows = [dynamic["dependencies"], *dynamic["optional-dependencies"].values()]
    named = [*(file for row in rows for file in row["file"]), built["project"]["readme"]]
    assert [file for file in named if not copied & {Path(file), *Path(file).parents}] == []


def pod() -> Any:
    """What Kubernetes is told of a replica."""
    text = (DEPLOY / "kubernetes" / "federation.yaml").read_text()
    kinds = {each["kind"]: each for each in yaml.safe_load_all(text)}
    return kinds["StatefulSet"]["spec"]["template"]["spec"]


def test_no_service_of_kubernetes_puts_its_address_where_the_port_is_read() -> None:
    assert pod()["enableServiceLinks"] is False


def test_the_probes_of_kubernetes_ask_for_life_and_not_for_the_store() -> None:
    (container,) = pod()["containers"]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        assert container[probe]["httpGet"]["path"] == "/health"


def test_the_unit_has_its_sections_and_ends_where_starting_again_is_useless() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / "federation@.service")
    assert unit.sections() == ["Unit", "Service", "Install"]
    assert unit["Service"]["RestartPreventExitStatus"] == "78"
    assert "federation serve" in unit["Service"]["ExecStart"]


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if binary is None:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    config = DEPLOY / "nginx" / "nginx.conf"
    command = [binary, "-t", "-p", str(tmp_path), "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    # Whether its port is free just now is not a question of the file.
    assert "syntax is ok" in done.stderr, done.stderr


def test_postgresql_knows_every_setting(tmp_path: Path) -> None:
    place = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not place:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    done = subprocess.run(
        [str(place[-1]), "--describe-config"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    known = {line.split("\t")[0] for line in done.stdout.splitlines()}
    text = (DEPLOY / "postgres" / "postgresql.conf").read_text()
    named = re.findall(r"^(\w+) =", text, re.MULTILINE)
    assert named
    assert set(named) <= known
