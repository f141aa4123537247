"""The examples of the guide to operations, run as they are printed."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from inprocess import SECRET, provider
from operations_rig import Place, answering, offers, places, vectors
from scripted import Behave, Talk

from federation.config.load import load
from federation.domain.catalogue import Model
from federation.domain.routes import Settings
from federation.schema.http import WireReply, WireRequest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "operations.md"
TEXT = GUIDE.read_text("utf-8")
CURLS = [
    block.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    if block.startswith("curl")
]
YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
KIND = {b"content-type": b"application/json"}


def says(body: dict[str, Any]) -> Behave:
    return answering(lambda _: WireReply(200, KIND, json.dumps(body).encode()))


def ranks(sent: WireRequest) -> WireReply:
    assert json.loads(sent.body)["top_n"] == 1
    body = {"results": [{"index": 1, "relevance_score": 0.9}], "meta": {}}
    return WireReply(200, KIND, json.dumps(body).encode())


async def speaks(talk: Talk) -> None:
    await talk.answer(b"ID3 sound", kind="audio/mpeg")


def place(model: str, operation: str, behave: Behave, dialect: str = "openai") -> Place:
    return Place(behave, offers(operation, name=model), dialect)


PLACES: dict[str, tuple[Callable[[], Place], str]] = {
    "/v1/embeddings": (lambda: place("text-embedding-3-small", "embeddings", vectors()), "data"),
    "/v2/rerank": (
        lambda: place("rerank-v5.0-pro", "rerank", answering(ranks), "cohere"),
        "results",
    ),
    "/v1/images/generations": (
        lambda: place("recraftv3", "image", says({"created": 1, "data": [{"url": "x"}]})),
        "data",
    ),
    "/v1/audio/speech": (lambda: place("narrator", "speech", speaks), ""),
    "/v1/audio/transcriptions": (
        lambda: place("whisper-large-v3-turbo", "transcription", says({"text": "morning"})),
        "text",
    ),
    "/passthrough/acme/files": (lambda: place("acme-large", "chat", says({"id": "file-1"})), "id"),
}


class Curl:
    """A curl line, taken apart as curl would."""

    def __init__(self, line: str) -> None:
        words = shlex.split(line.replace("\\\n", " "))
        assert words.pop(0) == "curl"
        self.path = words.pop(0).removeprefix("http://127.0.0.1:8000")
        self.headers: dict[str, str] = {}
        self.content: bytes | None = None
        self.fields: dict[str, str] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        for option, value in zip(words[::2], words[1::2], strict=True):
            if option == "-H":
                name, _, text = value.partition(": ")
                self.headers[name] = text.replace("$FEDERATION_KEY", SECRET)
            elif option == "-d":
                self.content = value.encode()
            elif option == "--data-binary":
                self.content = b"the content of " + value.encode()
            elif option == "-F":
                name, _, text = value.partition("=")
                if text.startswith("@"):
                    self.files[name] = (text[1:], b"ID3 sound")
                else:
                    self.fields[name] = text
            else:
                assert option == "-o", option

    async def run(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(
            self.path,
            headers=self.headers,
            content=self.content,
            data=self.fields or None,
            files=self.files or None,
        )


@pytest.mark.parametrize("line", CURLS, ids=[Curl(line).path for line in CURLS])
async def test_an_example_works_as_it_is_printed(line: str) -> None:
    curl = Curl(line)
    made, member = PLACES[curl.path]
    given = made()
    if "speech" in curl.path:
        given.row["id"] = "voices"
    if "passthrough" in curl.path:
        rules = yaml.safe_load(YAML[1])["providers"][0]["quirks"]["passthrough"]
        given.row |= {"id": "acme", "quirks": {"passthrough": rules}}
    async with places(given, settings=Settings(passthrough=("acme",))) as (gateway, client, _):
        reply = await curl.run(client)
        assert reply.status_code == 200, reply.text
        assert member in reply.json() if member else reply.content == b"ID3 sound"
        assert gateway.books.ended[0].outcome == "ok"


def test_every_operation_has_its_example() -> None:
    assert [Curl(line).path for line in CURLS] == list(PLACES)


def test_the_configuration_that_is_shown_loads(tmp_path: Path) -> None:
    (tmp_path / "federation.yaml").write_text(YAML[0])
    (tmp_path / "providers.yaml").write_text(YAML[1])
    row = provider("known", "https://known.test/v1", quirks={"path": "/x"})
    known = replace(row, models=(Model("m"),))
    loaded = load(tmp_path, {**os.environ, "ACME_KEY": "k"}, {"known": known})
    assert loaded.settings.passthrough == ("acme",)
    assert [w for w in loaded.warnings if "quirk" in w.message] == []
    rules = loaded.providers["acme"].quirks["passthrough"]
    assert isinstance(rules, list)
    assert len(rules) == 4
