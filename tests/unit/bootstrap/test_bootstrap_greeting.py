"""The first start names a call that works."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inprocess import deployment, model, provider, snapshot

from federation.bootstrap.greeting import example, greeting
from federation.domain.catalogue import DataUse
from federation.domain.routes import Settings

KNOWN = deployment(provider("known", "http://127.0.0.1:9"), model("m"))
VAGUE = replace(
    KNOWN,
    id="vague/m",
    provider=replace(KNOWN.provider, id="vague", sources=("a page",), data_use=DataUse.UNKNOWN),
)
OFF = replace(KNOWN, id="off/m", usable=False)
EMBEDS = replace(KNOWN, id="e/m", model=replace(KNOWN.model, operations=("embeddings",)))


def test_auto_is_named_where_it_reaches_somebody() -> None:
    assert example(snapshot((VAGUE, KNOWN))) == "auto"
    assert example(snapshot((VAGUE,), settings=Settings(auto_unknown=True))) == "auto"


def test_a_deployment_is_named_where_auto_reaches_nobody() -> None:
    found = snapshot((OFF, EMBEDS, VAGUE))
    assert example(found) == "vague/m"
    said = greeting("fed-key", Path("/data/admin.key"), "http://h:1", found)
    assert '"model": "vague/m"' in said
    assert '-d \'{"model"' in said
    assert "Bearer fed-key" in said
    assert "/data/admin.key" in said


def test_what_to_do_is_said_where_nobody_can_be_asked() -> None:
    said = greeting("fed-key", Path("k"), "http://h:1", snapshot((OFF, EMBEDS)))
    assert "set the key of one" in said
    assert "http://h:1/v1/models" in said
    assert "chat/completions" not in said
