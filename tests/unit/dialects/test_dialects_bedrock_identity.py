"""What a client of this dialect can say survives being read and written: any of it."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from bedrock_vendor import check_request
from bedrock_world import MODEL, call, upstream
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.bedrock.client import CLIENT

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=10)
BLOBS = st.binary(min_size=1, max_size=8).map(lambda data: base64.b64encode(data).decode())
NAMES = st.text("abcXYZ09_-", min_size=1, max_size=12)
IDS = st.text("abcXYZ09_.:-", min_size=1, max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=3)


def one(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A block of one of these kinds."""
    return st.one_of([st.fixed_dictionaries({kind: value}) for kind, value in kinds.items()])


def optional(required: dict[str, Any], **others: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=others)


def attached(*formats: str, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    bucket = optional({"uri": st.just("s3://acme/x")}, bucketOwner=st.just("123456789012"))
    source = one(bytes=BLOBS, s3Location=bucket)
    return optional({"format": st.sampled_from(formats), "source": source}, **more)


IMAGES = attached("png", "jpeg", "gif", "webp")
VIDEOS = attached("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp")
SOUNDS = attached(
    "mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg",
    "mpga", "pcm", "webm",
)  # fmt: skip
POINT = {"cachePoint": {"type": "default"}}
CITED = st.fixed_dictionaries(
    {
        "content": st.lists(st.fixed_dictionaries({"text": WORDS}), min_size=1, max_size=1),
        "citations": st.lists(
            optional({"title": WORDS}, source=WORDS, sourceContent=st.just([{"text": "q"}])),
            min_size=1,
            max_size=2,
        ),
    }
)
USER = one(
    text=WORDS,
    image=IMAGES,
    video=VIDEOS,
    audio=SOUNDS,
    guardContent=st.just({"text": {"text": "x", "qualifiers": ["query"]}}),
    searchResult=st.just({"source": "s", "title": "t", "content": [{"text": "x"}]}),
)
RESULT = optional(
    {
        "toolUseId": IDS,
        "content": st.lists(
            one(text=WORDS, json=OBJECTS, image=IMAGES, video=VIDEOS), min_size=1, max_size=2
        ),
    },
    status=st.just("error"),
)
ANSWER = one(
    text=WORDS,
    citationsContent=CITED,
    reasoningContent=st.fixed_dictionaries(
        {"reasoningText": st.fixed_dictionaries({"text": WORDS, "signature": BLOBS})}
    )
    | st.fixed_dictionaries({"redactedContent": BLOBS}),
    toolUse=st.fixed_dictionaries({"toolUseId": IDS, "name": NAMES, "input": OBJECTS}),
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A call that keeps the vendor's rules."""
    messages: list[Any] = []
    for _ in range(draw(st.integers(1, 3))):
        results = [{"toolResult": result} for result in draw(st.lists(RESULT, max_size=2))]
        asked = [*results, *draw(st.lists(USER, max_size=3)), {"text": draw(WORDS)}]
        answered = [{"text": draw(WORDS)}, *draw(st.lists(ANSWER, max_size=3))]
        if draw(st.booleans()):
            asked.append(POINT)
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": answered})
    messages.append({"role": "user", "content": [{"text": draw(WORDS)}]})
    spec = optional(
        {"name": NAMES, "inputSchema": st.fixed_dictionaries({"json": OBJECTS})},
        description=WORDS,
        strict=st.booleans(),
    )
    tools = [{"toolSpec": draw(spec)}, *([POINT] if draw(st.booleans()) else [])]
    choice = st.sampled_from([{"auto": {}}, {"any": {}}, {"tool": {"name": "w"}}])
    body: dict[str, Any] = {"messages": messages, "toolConfig": {"tools": tools}}
    if draw(st.booleans()):
        body["toolConfig"]["toolChoice"] = draw(choice)
    fields = optional(
        {},
        system=st.lists(one(text=WORDS), min_size=1, max_size=2),
        inferenceConfig=optional(
            {"maxTokens": st.integers(1, 9000)},
            temperature=st.floats(0, 1),
            stopSequences=st.lists(WORDS, min_size=1, max_size=2),
        ),
        additionalModelRequestFields=st.dictionaries(NAMES, VALUES, min_size=1, max_size=2),
        additionalModelResponseFieldPaths=st.just(["/stop_sequence"]),
        requestMetadata=st.dictionaries(st.just("team"), st.just("a b"), min_size=1),
        serviceTier=st.sampled_from([{"type": "default"}, {"type": "flex"}]),
        outputConfig=st.sampled_from([{"effort": "low"}, {"effort": "max"}]),
        performanceConfig=st.just({"latency": "standard"}),
    )
    return body | draw(fields)


def without_auto(body: dict[str, Any]) -> dict[str, Any]:
    """The body without the choice that is the default anyway."""
    config = body.get("toolConfig", {})
    if config.get("toolChoice") == {"auto": {}}:
        del config["toolChoice"]
    return body


@settings(deadline=None, max_examples=150)
@given(body=bodies())
def test_a_call_is_the_same_after_it_was_read_and_written(body: dict[str, Any]) -> None:
    request = call(msgspec.json.encode(body))
    encoded = upstream({"cache_breakpoints": 99}).encode(
        CLIENT.parse(request, CLIENT.glance(request))
    )
    written = check_request(encoded.request.target, encoded.request.body, model=MODEL)
    assert without_auto(written) == without_auto(body)
    assert encoded.losses == ()
