"""Official clients against operations other than chat, unmodified, over loopback."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import openai
import pytest
from cohere import AsyncClientV2
from google import genai
from inprocess import SECRET
from ollama import AsyncClient as Ollama
from operations_rig import Place, offers, places, vectors
from operations_world import vector_of
from scripted import Talk

SOUND = bytes(range(256)) * 40


async def everything(talk: Talk) -> None:
    """A provider in OpenAI's words for all of it."""
    target = talk.seen.head.split(" ")[1]
    if target.endswith("/embeddings"):
        await vectors()(talk)
    elif target.endswith("/speech"):
        await talk.answer(SOUND, kind="audio/mpeg")
    elif "/audio/" in target:
        await talk.answer(json.dumps({"text": "hello"}).encode())
    elif "/images/" in target:
        await talk.answer(json.dumps({"created": 1, "data": [{"b64_json": "QUJD"}]}).encode())
    else:
        row = {"flagged": True, "categories": {}, "category_scores": {}}
        await talk.answer(json.dumps({"id": "m-1", "model": "m", "results": [row]}).encode())


ALL = offers(
    *("embeddings", "image", "image_edit", "speech", "transcription", "audio_translation"),
    "moderations",
)


async def test_openai(tmp_path: Path) -> None:
    async with (
        places(Place(everything, ALL)) as (gateway, _, _up),
        openai.AsyncOpenAI(api_key=SECRET, base_url=f"{gateway.url}/v1", max_retries=0) as client,
    ):
        made = await client.embeddings.create(model="work", input=["a", "bc"])
        assert [row.embedding for row in made.data] == [vector_of("a"), vector_of("bc")]
        drawn = await client.images.generate(model="work", prompt="x")
        assert drawn.data is not None
        assert drawn.data[0].b64_json == "QUJD"
        edited = await client.images.edit(model="work", prompt="x", image=("a.png", b"png"))
        assert edited.data is not None
        spoken = client.audio.speech.with_streaming_response.create(
            model="work", voice="alloy", input="hello"
        )
        async with spoken as reply:
            await reply.stream_to_file(tmp_path / "a.mp3")
        assert (tmp_path / "a.mp3").read_bytes() == SOUND
        sound = ("a.mp3", SOUND, "audio/mpeg")
        heard = await client.audio.transcriptions.create(model="work", file=sound)
        assert heard.text == "hello"
        with pytest.warns(DeprecationWarning, match="deprecated"):
            english = await client.audio.translations.create(model="work", file=sound)
        assert english.text == "hello"
        checked = await client.moderations.create(input="x")
        assert checked.results[0].flagged
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="nobody", input="x")
        names = [row.operation for row in gateway.books.ended]
        assert names == [
            *("embeddings", "image", "image_edit", "speech", "transcription"),
            *("audio_translation", "moderations", "embeddings"),
        ]


async def test_cohere() -> None:
    async with (
        places(Place(vectors(), offers("embeddings"))) as (gateway, _, _up),
        httpx.AsyncClient(trust_env=False) as connections,
    ):
        client = AsyncClientV2(api_key=SECRET, base_url=gateway.url, httpx_client=connections)
        made = await client.embed(
            model="work", texts=["a"], input_type="search_query", embedding_types=["float"]
        )
        assert made.embeddings.float_ == [vector_of("a")]


async def test_gemini() -> None:
    async with (
        places(Place(vectors(), offers("embeddings"))) as (gateway, _, _up),
        httpx.AsyncClient(trust_env=False) as connections,
    ):
        options = genai.types.HttpOptions(base_url=gateway.url, httpx_async_client=connections)
        client = genai.Client(api_key=SECRET, http_options=options)
        made = await client.aio.models.embed_content(model="work", contents=["a", "bc"])
        assert made.embeddings is not None
        assert [row.values for row in made.embeddings] == [vector_of("a"), vector_of("bc")]
        client.close()


async def test_ollama() -> None:
    async with places(Place(vectors(), offers("embeddings"))) as (gateway, _, _up):
        client = Ollama(host=gateway.url, headers={"authorization": f"Bearer {SECRET}"})
        made = await client.embed(model="work", input=["a"])
        assert list(made.embeddings[0]) == vector_of("a")
        await client._client.aclose()
