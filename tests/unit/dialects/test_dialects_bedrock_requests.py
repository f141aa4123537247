"""Requests to Converse: turns, system text, attachments, cache marks; within the vendor's rules.

Every body is judged by the official client's model, validator and serializer.
"""

from __future__ import annotations

import pytest
from bedrock_world import CALL, HELLO, OBJECT, RESULT, WEATHER, ask, sent, upstream, user
from msgspec import Raw

from federation.dialects.bedrock.tables import LOSSES
from federation.dialects.losses import FEATURES
from federation.errors import InvalidRequest
from federation.schema.chat import (
    Message,
    Sampling,
    Tool,
)
from federation.schema.parts import (
    CacheMark,
    Media,
    Refusal,
    Text,
    ToolResult,
)


def test_every_loss_names_a_feature_and_its_source() -> None:
    assert set(LOSSES) <= set(FEATURES)
    assert all(rule.why and rule.source.startswith("https://") for rule in LOSSES.values())


def test_a_plain_call_is_written() -> None:
    body, losses = sent(
        ask(
            Message("system", (Text("Be brief."),)),
            HELLO,
            max_output=10,
            sampling=Sampling(temperature=0.5, top_p=0.9, stop=("END",)),
        )
    )
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {
            "maxTokens": 10,
            "temperature": 0.5,
            "topP": 0.9,
            "stopSequences": ["END"],
        },
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    assert losses == ()


def test_the_model_stands_percent_encoded_in_the_path() -> None:
    whole = upstream().encode(ask()).request
    stream = upstream().encode(ask(stream=True)).request
    assert whole.target == "/model/eu.acme.large-v1%3A0/converse"
    assert stream.target == "/model/eu.acme.large-v1%3A0/converse-stream"
    assert (b"accept", b"application/vnd.amazon.eventstream") in stream.headers


def test_turns_alternate_and_results_come_first() -> None:
    body, losses = sent(
        ask(
            HELLO,
            user(Text("Are you there?")),
            CALL,
            RESULT,
            user(Text("And?")),
            Message("assistant", (Text("Yes."),)),
            Message("assistant", (Refusal("No."),)),
            user(Text("Why?")),
            tools=(WEATHER,),
        )
    )
    assert [turn["role"] for turn in body["messages"]] == [
        "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert body["messages"][0]["content"] == [{"text": "Hello"}, {"text": "Are you there?"}]
    assert [next(iter(block)) for block in body["messages"][2]["content"]] == ["toolResult", "text"]
    assert body["messages"][3]["content"] == [{"text": "Yes."}, {"text": "No."}]
    assert losses == ()


def test_later_system_text_is_moved_to_the_front_with_a_warning() -> None:
    late = Message("developer", (Text("Now in French."),))
    body, losses = sent(ask(Message("system", (Text("Be brief."),)), HELLO, late))
    assert body["system"] == [{"text": "Be brief."}, {"text": "Now in French."}]
    assert losses == ("system_place",)


def test_later_system_text_of_the_own_dialect_stays_in_its_place() -> None:
    late = Message("system", (Text("Now in French."),))
    body, losses = sent(ask(HELLO, late, dialect="bedrock"))
    assert body["messages"][1] == {"role": "system", "content": [{"text": "Now in French."}]}
    assert losses == ()


def test_nothing_but_system_text_becomes_the_question() -> None:
    body, losses = sent(ask(Message("system", (Text("Tell a joke."),))))
    assert body == {"messages": [{"role": "user", "content": [{"text": "Tell a joke."}]}]}
    assert losses == ("system_place",)


def test_blank_text_is_left_out_and_a_call_of_nothing_else_is_refused() -> None:
    body, _ = sent(ask(user(Text(" \n"), Text("Hello"), Text(""))))
    assert body["messages"][0]["content"] == [{"text": "Hello"}]
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(user(Text(" "))))
    assert caught.value.param == "messages"


def test_an_answer_that_was_begun_does_not_end_in_white_space() -> None:
    body, _ = sent(ask(HELLO, Message("assistant", (Text("{ \n"),))))
    assert body["messages"][-1] == {"role": "assistant", "content": [{"text": "{"}]}


def test_pictures_and_documents_are_inline_in_the_vendors_formats() -> None:
    body, losses = sent(
        ask(
            user(
                Text("Look."),
                Media("image", "image/jpg", "aGk="),
                Media("image", "", "iVBORw0KGgoAAAAN"),
                Media("file", "application/pdf", "aGk=", name="Q3 report (final).pdf", cite=True),
                Media("file", "application/json", "e30=", name="a_b.json"),
                Media("file", "", text="plain words"),
                Media("file", "", "aGk=", name="table.XLSX"),
                Media("video", "video/3gpp", "aGk="),
                Media("audio", "audio/wav", "aGk="),
            )
        )
    )
    blocks = body["messages"][0]["content"]
    assert [block[kind].get("format") for block in blocks[1:] for kind in block] == [
        "jpeg", "png", "pdf", "txt", "txt", "xlsx", "three_gp", "wav",
    ]  # fmt: skip
    assert blocks[3]["document"]["name"] == "Q3 report (final) pdf"
    assert blocks[3]["document"]["citations"] == {"enabled": True}
    assert blocks[5]["document"] == {
        "format": "txt",
        "name": "document",
        "source": {"text": "plain words"},
    }
    assert losses == ()


def test_documents_never_share_a_name_and_never_stand_alone() -> None:
    file = Media("file", "text/csv", "aGk=", name="a/b\tc.csv")
    nameless = Media("file", "text/csv", "aGk=", name="***")
    body, _ = sent(ask(user(file, file, nameless, nameless, file)))
    blocks = body["messages"][0]["content"]
    assert [block["document"]["name"] for block in blocks[:5]] == [
        "a b c csv", "a b c csv 2", "document", "document 2", "a b c csv 3",
    ]  # fmt: skip
    assert blocks[5:] == [{"text": "a b c csv"}]


@pytest.mark.parametrize(
    ("part", "feature"),
    [
        (Media("image", url="https://example.com/a.png"), "image"),
        (Media("image", "image/png", url="https://example.com/a.png"), "image_url"),
        (Media("image", "image/png", url="s3://bucket/a.png"), "image_url"),
        (Media("image", "image/tiff", "aGk="), "image"),
        (Media("file", "application/pdf", url="https://example.com/a.pdf"), "file_url"),
        (Media("file", "application/zip", "aGk="), "file"),
        (Media("file", "application/pdf", file_id="file-1"), "file_id"),
        (Media("audio", "audio/midi", "aGk="), "audio"),
        (Media("video", "video/ogg", "aGk="), "video"),
    ],
)
def test_what_cannot_be_attached_is_refused_before_a_token_is_spent(
    part: Media, feature: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        upstream().encode(ask(user(Text("Look."), part)))
    assert caught.value.code == "not_expressible"
    assert FEATURES[feature] in caught.value.message


def test_a_buckets_file_is_read_for_clients_of_the_own_dialect_only() -> None:
    part = Media("image", "image/png", url="s3://bucket/a.png",
                 extra={"bucketOwner": Raw(b'"123456789012"')})  # fmt: skip
    body, _ = sent(ask(user(Text("Look."), part), dialect="bedrock"))
    assert body["messages"][0]["content"][1]["image"]["source"] == {
        "s3Location": {"uri": "s3://bucket/a.png", "bucketOwner": "123456789012"}
    }


def test_a_tools_result_may_hold_pictures_and_documents() -> None:
    result = ToolResult(
        "t1",
        (Text("see"), Media("image", "image/png", "aGk="), Media("file", "text/html", "aGk=")),
        error=True,
    )
    body, _ = sent(ask(HELLO, CALL, Message("tool", (result,)), tools=(WEATHER,)))
    block = body["messages"][2]["content"][0]["toolResult"]
    assert [next(iter(inner)) for inner in block["content"]] == ["text", "image", "document"]
    assert block["status"] == "error"


def test_an_empty_result_still_has_content() -> None:
    empty = Message("tool", (ToolResult("t1", (Text(""),)),))
    body, _ = sent(ask(HELLO, CALL, empty, tools=(WEATHER,)))
    assert body["messages"][2]["content"][0]["toolResult"]["content"] == [{"json": {}}]


def test_cache_marks_become_blocks_behind_what_they_mark() -> None:
    body, losses = sent(
        ask(
            Message("system", (Text("Long.", cache=CacheMark("1h")),)),
            user(Text("Hello", cache=CacheMark())),
            tools=(Tool("weather", "d", OBJECT, cache=CacheMark("30m")),),
        )
    )
    assert body["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert body["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert losses == ()


def test_marks_beyond_the_most_go_from_the_front() -> None:
    parts = tuple(Text(f"p{i}", cache=CacheMark()) for i in range(6))
    body, losses = sent(ask(user(*parts)))
    kinds = [next(iter(block)) for block in body["messages"][0]["content"]]
    assert kinds == ["text", "text", *["text", "cachePoint"] * 4]
    assert losses == ("cache_marks",)


def test_a_model_without_a_cache_gets_no_marks() -> None:
    body, losses = sent(ask(user(Text("Hello", cache=CacheMark()))), cached=None)
    assert body["messages"][0]["content"] == [{"text": "Hello"}]
    assert losses == ("cache_marks",)
