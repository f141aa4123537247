from __future__ import annotations

import json
from importlib.resources import files

import pytest

from federation.dialects.faces import ClientFace
from federation.dialects.table import CLIENTS, UPSTREAMS


def test_every_face_stands_under_its_own_name() -> None:
    assert all(isinstance(face, ClientFace) for face in CLIENTS.values())
    assert {name: face.name for name, face in CLIENTS.items()} == {name: name for name in CLIENTS}


@pytest.mark.parametrize(
    "name", ["openai", "openai_responses", "anthropic", "gemini", "bedrock", "cohere"]
)
def test_the_six_languages_are_spoken_both_ways(name: str) -> None:
    assert name in CLIENTS
    assert name in UPSTREAMS


def test_most_rows_of_the_catalogue_speak_a_language_that_is_known() -> None:
    rows = json.loads((files("federation.catalogue") / "catalogue.json").read_text())
    spoken = [row for row in rows if row["dialect"] in UPSTREAMS]
    assert len(spoken) >= 105
