"""What embedding calls say, and how they are forwarded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from operations_world import prepared, request

from federation.dialects.operations import billing, table
from federation.errors import InvalidRequest
from federation.schema.operations import EMBEDDINGS, OperationGlance

PICTURE = "data:image/png;base64,iVBORw0KGgo="
PATHS = {
    "openai": "/v1/embeddings",
    "cohere": "/v2/embed",
    "gemini": "/v1beta/models/route:batchEmbedContents",
    "ollama": "/api/embed",
}
Body = dict[str, Any]


def glance(dialect: str, body: Body, path: str = "") -> OperationGlance:
    face = table.OPERATION_CLIENTS[EMBEDDINGS, dialect]
    return face.glance(request(path or PATHS[dialect], body))


# What a glance says


def test_a_glance_counts_what_prices_a_call() -> None:
    seen = glance("openai", {"model": "m", "input": ["ab", "é"], "dimensions": 3, "user": "u"})
    assert (seen.operation, seen.dialect, seen.model) == ("embeddings", "openai", "m")
    assert (seen.items, seen.text_bytes, seen.tokens, seen.dimensions) == (2, 4, 0, 3)
    assert (seen.formats, seen.needs, seen.user) == (("float",), ("dimensions",), "u")
    assert billing.estimate(seen).input == 1
    assert billing.bound(seen).input >= 4
    assert not billing.makes_tokens(seen)


@pytest.mark.parametrize(
    ("given", "items", "tokens"), [([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3), (["a", [4]], 2, 1)]
)
def test_token_numbers_are_counted(given: Any, items: int, tokens: int) -> None:
    seen = glance("openai", {"input": given})
    assert (seen.items, seen.tokens, seen.needs) == (items, tokens, ("token_input",))
    assert billing.bound(seen).input >= tokens


def test_token_numbers_of_a_whole_framework_batch_are_taken() -> None:
    seen = glance("openai", {"input": [[7] * 300 for _ in range(1000)]})
    assert (seen.items, seen.tokens) == (1000, 300_000)


def test_pictures_are_counted() -> None:
    seen = glance("cohere", {"images": [PICTURE], "input_type": "image"})
    assert (seen.images, seen.media_bytes, seen.needs) == (1, len(PICTURE), ("image_input",))
    mixed = [
        {
            "content": [
                {"type": "text", "text": "é"},
                {"type": "image_url", "image_url": {"url": PICTURE}},
            ]
        }
    ]
    seen = glance("cohere", {"inputs": mixed, "output_dimension": 8})
    assert (seen.items, seen.images, seen.text_bytes, seen.dimensions) == (1, 1, 2, 8)


def test_gemini_names_model_and_method_in_the_path() -> None:
    body: Body = {"content": {"parts": [{"text": "hé"}]}, "outputDimensionality": 5}
    seen = glance("gemini", body, "/v1beta/models/some.model-1:embedContent")
    assert (seen.model, seen.variant, seen.dimensions) == ("some.model-1", "embedContent", 5)
    assert (seen.items, seen.text_bytes) == (1, 3)


def test_fields_that_rules_govern_are_named() -> None:
    seen = glance("openai", {"input": "a", "provider": {"only": ["x"]}, "frobnicate": 1})
    assert (seen.governed, seen.unlisted) == (("provider",), ("frobnicate",))
    entry = {"content": {"parts": [{"text": "a"}]}, "odd": 1}
    assert glance("gemini", {"requests": [entry]}).unlisted == ("odd",)


def test_our_own_object_is_read() -> None:
    for dialect, body in (
        ("openai", {"input": "a"}),
        ("cohere", {"texts": ["a"]}),
        ("ollama", {"input": "a"}),
        ("gemini", {"requests": [{"content": {"parts": [{"text": "a"}]}}]}),
    ):
        seen = glance(dialect, {**body, "federation": {"session": "s"}})
        assert (seen.ask.session, seen.unlisted) == ("s", ())


SAID = {"parts": [{"text": ""}]}
BAD: list[tuple[str, Body, str]] = [
    ("openai", {}, "input"),
    ("openai", {"input": None}, "input"),
    ("openai", {"input": []}, "input"),
    ("openai", {"input": 3}, "input"),
    ("openai", {"input": [[1, "a"]]}, "input[0][1]"),
    ("openai", {"input": "a", "model": ""}, "model"),
    ("openai", {"input": "a", "dimensions": 0}, "dimensions"),
    ("openai", {"input": "a", "dimensions": "8"}, "dimensions"),
    ("openai", {"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ("cohere", {"input_type": "search_query"}, "texts"),
    ("cohere", {"texts": ["a"], "images": [PICTURE]}, "inputs"),
    ("cohere", {"texts": ["a"], "embedding_types": ["half"]}, "embedding_types"),
    ("cohere", {"inputs": [{"content": [{"text": "a"}]}]}, "inputs[0].content[0]"),
    ("cohere", {"inputs": [{}]}, "inputs[0]"),
    ("gemini", {}, "requests"),
    ("gemini", {"requests": []}, "requests"),
    ("gemini", {"requests": [1]}, "requests[0]"),
    ("gemini", {"requests": [{}]}, "requests[0].content"),
    ("gemini", {"requests": [{"content": {}}]}, "requests[0].content.parts"),
    ("gemini", {"requests": [{"content": {"parts": [{}]}}]}, "requests[0].content.parts[0]"),
    ("gemini", {"requests": [{"model": "models/x", "content": SAID}]}, "requests[0].model"),
    ("gemini", {"requests": [{"taskType": "A", "task_type": "B", "content": SAID}]},
     "requests[0].taskType"),
    ("ollama", {"input": [1]}, "input[0]"),
    ("ollama", {"input": "a", "options": []}, "options"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "body", "param"), BAD)
def test_a_wrong_call_names_its_field(dialect: str, body: Body, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        glance(dialect, body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("openai", b'{"input":"a","inp\\u0075t":"b"}'),
        ("cohere", b'{"inputs":[{"content":[{"type":"text","text":"a","text":"b"}]}]}'),
        ("gemini", b'{"requests":[{"content":{"parts":[{"text":"a"}],"parts":[{"text":"b"}]}}]}'),
        ("gemini", b'{"requests":[{"content":{"parts":[{"text":"a","text":"b"}]}}]}'),
        ("ollama", b'{"input":"a","input":"b"}'),
    ],
)
def test_a_member_that_stands_twice_is_refused(dialect: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        table.OPERATION_CLIENTS[EMBEDDINGS, dialect].glance(request(PATHS[dialect], body))
    assert caught.value.code == "duplicate_field"


@pytest.mark.parametrize(
    ("uri", "governed"),
    [
        ("gs://bucket/x.png", ("fileData",)),
        ("files/abc", ("fileData",)),
        ("https://generativelanguage.googleapis.com/v1beta/files/abc-1", ("fileData",)),
        ("https://a.test/x.png", ()),
    ],
)
@pytest.mark.parametrize(("member", "name"), [("fileData", "fileUri"), ("file_data", "file_uri")])
def test_a_stored_file_is_governed(
    uri: str, governed: tuple[str, ...], member: str, name: str
) -> None:
    entry = {"content": {"parts": [{"text": "a"}, {member: {name: uri}}]}}
    plain = {"content": {"parts": [{"text": "gs://bucket/x"}]}}
    assert glance("gemini", {"requests": [plain, entry]}).governed == governed
    assert glance("gemini", entry, "/v1beta/models/m:embedContent").governed == governed


# Forwarding


def test_only_the_models_name_changes_between_equals() -> None:
    body = b'{ "input" : ["\\u0068i", [1]] ,"model":"route", "x":1e2 ,"federation":{}}'
    asked = request(PATHS["openai"], body)
    seen = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"].glance(asked)
    sent = prepared(EMBEDDINGS, "openai").forward(seen, asked)
    assert sent.body == b'{ "input" : ["\\u0068i", [1]] ,"model":"acme-1", "x":1e2}'
    assert sent.target == "/v1/embeddings"
    assert (b"authorization", b"Bearer sk-upstream-secret") in sent.headers


def test_gemini_is_renamed_in_the_path_and_in_every_entry() -> None:
    part = {"content": {"parts": [{"text": "a"}]}}
    for path, body in (
        (PATHS["gemini"], {"requests": [{"model": "models/route", **part}, part]}),
        ("/v1/models/route:embedContent", {"model": "models/route", **part}),
    ):
        asked = request(path, body)
        seen = table.OPERATION_CLIENTS[EMBEDDINGS, "gemini"].glance(asked)
        target = prepared(EMBEDDINGS, "gemini", base_url="https://g.test/v1beta", model="emb-2")
        sent = target.forward(seen, asked)
        assert sent.target == f"/v1beta/models/emb-2:{seen.variant}"
        written = json.loads(sent.body)
        for entry in written.get("requests", [written]):
            assert entry == {"model": "models/emb-2", **part}


def test_a_model_of_the_same_name_leaves_geminis_bytes_alone() -> None:
    body = b'{ "requests": [ {"content": {"parts": [{"text":"a"}]}} ] }'
    asked = request(PATHS["gemini"], body)
    seen = table.OPERATION_CLIENTS[EMBEDDINGS, "gemini"].glance(asked)
    target = prepared(EMBEDDINGS, "gemini", base_url="https://g.test/v1beta", model="route")
    assert target.forward(seen, asked).body == body


def test_field_quirks_of_a_chat_row_do_not_touch_embeddings() -> None:
    quirks: dict[str, object] = {"drop": ["input"], "accepts_only": ["messages"], "set": {"n": 1}}
    asked = request(PATHS["openai"], {"input": "a", "model": "route"})
    seen = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"].glance(asked)
    sent = prepared(EMBEDDINGS, quirks=quirks).forward(seen, asked)
    assert json.loads(sent.body) == {"input": "a", "model": "acme-1"}


def test_a_models_own_quirks_do() -> None:
    quirks: dict[str, object] = {
        "drop": ["user"],
        "rename": {"dimensions": "output_dimension"},
        "default": {"truncate": "END"},
        "path": {"embeddings": "/embed/{model}"},
        "query": {"v": 1},
    }
    body = {"input": "a", "model": "route", "user": "u", "dimensions": 4}
    asked = request(PATHS["openai"], body)
    seen = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"].glance(asked)
    target = prepared(EMBEDDINGS, model_quirks=quirks, model="a/b")
    sent = target.forward(seen, asked)
    assert json.loads(sent.body) == {
        "input": "a", "model": "a/b", "output_dimension": 4, "truncate": "END"
    }  # fmt: skip
    assert sent.target == "/v1/embed/a%2Fb?v=1"
    assert target.dropped_fields(seen) == ("user",)
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    assert face.parse is not None
    assert json.loads(target.encode(face.parse(asked, seen)).requests[0].body) == {
        "input": ["a"], "model": "a/b", "encoding_format": "float", "output_dimension": 4,
        "truncate": "END",
    }  # fmt: skip


@pytest.mark.parametrize(("said", "sent"), [({}, 7), ({"dimensions": 4}, 4)])
def test_a_rows_default_fills_a_gap_whoever_writes_the_body(said: Body, sent: int) -> None:
    asked = request(PATHS["openai"], {"input": "a", "model": "route", **said})
    face = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"]
    seen = face.glance(asked)
    target = prepared(EMBEDDINGS, model_quirks={"default": {"dimensions": 7}})
    assert face.parse is not None
    for body in (target.forward(seen, asked), target.encode(face.parse(asked, seen)).requests[0]):
        assert json.loads(body.body)["dimensions"] == sent


def test_a_secret_is_in_no_repr() -> None:
    target = prepared(EMBEDDINGS)
    asked = request(PATHS["openai"], {"input": "a"})
    seen = table.OPERATION_CLIENTS[EMBEDDINGS, "openai"].glance(asked)
    assert "secret" not in repr(target) + repr(target.forward(seen, asked))
    assert "secret" not in repr(target._wire)
