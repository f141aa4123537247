from __future__ import annotations

import json

from federation.config.provider_row import ProviderRow
from federation.sandbox.faults import SUFFIXES
from federation.sandbox.profiles import PROFILES
from federation.sandbox.rows import rows

PORTS = {profile.id: 9000 + index for index, profile in enumerate(PROFILES)}


def test_there_are_at_least_four_providers_in_several_regions() -> None:
    made = rows(PORTS)
    assert len(made) >= 4
    assert {"us", "eu", "local"} <= {region for row in made for region in row["regions"]}


def test_every_row_is_one_that_an_operator_could_write() -> None:
    for row in rows(PORTS, fault_models=True):
        parsed = ProviderRow.model_validate(row)
        assert parsed.simulated
        assert str(parsed.base_url).startswith(f"http://127.0.0.1:{PORTS[parsed.id]}/v1")
        assert json.loads(json.dumps(row)) == row


def test_the_providers_speak_several_dialects() -> None:
    spoken = {
        row["id"]: (row["dialect"], row["base_url"].rpartition("/")[2]) for row in rows(PORTS)
    }
    assert spoken["sim-atlas"] == ("openai", "v1")
    assert spoken["sim-boreal"] == ("anthropic", "v1")
    assert spoken["sim-lotus"] == ("gemini", "v1beta")


def test_every_row_and_model_says_that_it_is_simulated() -> None:
    for row in rows(PORTS):
        assert row["simulated"] is True
        assert row["id"].startswith("sim-")
        assert all("simulated" in model["name"] for model in row["models"])


def test_a_provider_without_a_port_has_no_row() -> None:
    assert [row["id"] for row in rows({"sim-comet": 1})] == ["sim-comet"]


def test_faults_can_be_listed_as_models() -> None:
    plain, faulty = rows({"sim-comet": 1}), rows({"sim-comet": 1}, fault_models=True)
    assert len(faulty[0]["models"]) == len(plain[0]["models"]) * (1 + len(SUFFIXES))
