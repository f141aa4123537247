"""A gateway whose master key is lost: it says so, and starts without it when it is told to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import Service, free_port, serving, start, write_config


def federation(service: Service, *command: str) -> Any:
    """What a command of the command line prints, without a gateway."""
    at = ("--data", str(service.data), "--config", str(service.config), "--json")
    asked = [sys.executable, "-m", "federation", *command, *at]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


async def status(service: Service, key: str) -> int:
    async with service.client(key) as client:
        return (await client.get("/v1/models")).status_code


async def test_a_start_without_its_master_key_is_refused_until_it_is_told_to_do_without(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:1/v1")
    async with serving(tmp_path, config, 1) as service:
        async with service.client() as client:
            made = await client.post("/v1/keys", json={"name": "before", "role": "developer"})
        key = made.json()["secret"]
        assert await status(service, key) == 200
    master = service.data / "master.key"
    kept = master.read_text()
    master.unlink()

    refused = start(tmp_path, config, free_port(), 1)
    assert await refused.exits(30) == 78
    said = refused.log.read_text()
    assert f"{master}: is missing" in said
    assert "federation db accept-master" in said
    assert not master.exists(), "none is made beside it"

    told = federation(service, "db", "accept-master")
    assert told == {"object": "master_key", "new": True, "useless_keys": 1}
    async with serving(tmp_path, config, 1) as service:
        assert await status(service, key) == 401

    master.write_text(kept)
    assert federation(service, "db", "accept-master")["new"]
    async with serving(tmp_path, config, 1) as service:
        assert await status(service, key) == 200


async def test_a_start_without_its_store_is_refused_until_an_empty_one_is_asked_for(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:1/v1")
    async with serving(tmp_path, config, 1) as service:
        async with service.client() as client:
            made = await client.post("/v1/keys", json={"name": "before", "role": "developer"})
        key = made.json()["secret"]
    for file in service.data.glob("federation.db*"):
        file.unlink()

    refused = start(tmp_path, config, free_port(), 1)
    assert await refused.exits(30) == 78
    said = refused.log.read_text()
    assert f"{service.data / 'federation.db'}: is missing or empty" in said
    assert "federation db create" in said
    assert not list(service.data.glob("federation.db*")), "none is made in its place"

    assert federation(service, "db", "create")["before"] is None
    async with serving(tmp_path, config, 1) as service:
        assert await status(service, key) == 401


async def test_keys_that_another_master_key_would_hash_are_not_made(tmp_path: Path) -> None:
    config = write_config(tmp_path, "http://127.0.0.1:1/v1")
    environ = {"FEDERATION_MASTER_KEY": "11" * 32}
    async with serving(tmp_path, config, 1, environ=environ) as service:
        pass
    at = ("--data", str(service.data), "--config", str(service.config))
    asked = [sys.executable, "-m", "federation", "key", "create", "x", *at]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 78, told.stdout
    assert "FEDERATION_MASTER_KEY" in told.stderr
    assert not (service.data / "master.key").exists()
