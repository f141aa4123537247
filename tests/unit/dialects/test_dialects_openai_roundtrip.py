"""What this language can say comes back from it unchanged, whole and in pieces."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, structs

from federation.dialects.openai.client import CLIENT
from federation.dialects.openai.decode import decode
from federation.dialects.openai.encode import encode
from federation.dialects.openai.stream_render import StreamRenderer
from federation.dialects.openai.streams import StreamDecoder
from federation.dialects.openai.wire import Wire
from federation.schema import chat, chunks
from federation.schema.chat import (
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    OutputFormat,
    Reasoning,
    Sampling,
    TokenLogprob,
    Tool,
    ToolChoice,
    TopToken,
)
from federation.schema.chunks import Collector
from federation.schema.http import ClientRequest
from federation.schema.parts import (
    CUSTOM,
    Citation,
    Media,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from federation.schema.usage import Usage

MakeWire = Callable[..., Wire]

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
ids = names.map(lambda name: f"call_{name}")
raws = st.dictionaries(names, st.one_of(st.integers(0, 9), words), max_size=3).map(
    lambda value: Raw(msgspec.json.encode(value))
)
data = st.binary(min_size=1, max_size=8).map(msgspec.to_builtins)

texts = words.map(Text)
images = st.one_of(
    st.builds(Media, st.just("image"), media_type=st.just("image/png"), data=data),
    st.builds(
        Media,
        st.just("image"),
        url=names.map(lambda name: f"https://pictures.test/{name}.png"),
        detail=st.sampled_from(("", "low", "high")),
    ),
)
sounds = st.builds(
    Media, st.just("audio"), media_type=st.sampled_from(("audio/wav", "audio/mpeg")), data=data
)
files = st.one_of(
    st.builds(Media, st.just("file"), file_id=names, name=names),
    st.builds(
        Media,
        st.just("file"),
        media_type=st.just("application/pdf"),
        data=data,
        name=names.map(lambda name: f"{name}.pdf"),
    ),
)
calls = st.one_of(
    st.builds(ToolCall, ids, names, words, signature=st.sampled_from(("", "c2ln"))),
    st.builds(ToolCall, ids, names, words, st.just(CUSTOM)),
).filter(lambda call: not call.arguments.isspace())
thoughts = st.one_of(
    st.builds(Thinking, words, signature=words),
    st.builds(Thinking, sealed=words, id=ids),
    st.builds(Thinking, words, sealed=words, id=ids, summary=st.just(True)),
)


@st.composite
def assistant_parts(draw: st.DrawFn) -> tuple[Part, ...]:
    """One text, one refusal, calls; signed thoughts anywhere among them."""
    parts: list[Part] = draw(st.lists(texts, max_size=1))
    parts += draw(st.lists(words.map(Refusal), max_size=1))
    parts += draw(st.lists(calls, max_size=3))
    for thought in draw(st.lists(thoughts, max_size=2)):
        parts.insert(draw(st.integers(0, len(parts))), thought)
    return tuple(parts)


messages = st.one_of(
    st.builds(Message, st.just("system"), st.lists(texts, max_size=2).map(tuple), name=names),
    st.builds(
        Message,
        st.just("user"),
        st.lists(st.one_of(texts, images, sounds, files), max_size=3).map(tuple),
    ),
    st.builds(Message, st.just("assistant"), assistant_parts()),
    st.builds(
        Message,
        st.just("tool"),
        st.builds(ToolResult, ids, st.lists(texts, max_size=2).map(tuple)).map(
            lambda result: (result,)
        ),
    ),
)
tools = st.one_of(
    st.builds(
        Tool,
        names,
        st.one_of(st.just(""), words),
        st.one_of(st.none(), raws),
        st.sampled_from((None, True, False)),
    ),
    st.builds(Tool, names, kind=st.just(CUSTOM), format=st.just(Raw(b'{"type":"text"}'))),
)
numbers = st.one_of(st.none(), st.floats(0, 2))
sampling = st.builds(
    Sampling,
    temperature=numbers,
    top_p=numbers,
    top_k=st.one_of(st.none(), st.integers(1, 100)),
    frequency_penalty=numbers,
    presence_penalty=numbers,
    seed=st.one_of(st.none(), st.integers(0, 2**31)),
    stop=st.lists(words, max_size=4).map(tuple),
    logit_bias=st.one_of(st.none(), st.just(Raw(b'{"50256":-100}'))),
    logprobs=st.sampled_from((None, True)),
    top_logprobs=st.one_of(st.none(), st.integers(0, 20)),
    choices=st.one_of(st.none(), st.integers(1, 4)),
)
formats = st.one_of(
    st.none(),
    st.just(OutputFormat("text")),
    st.just(OutputFormat("json")),
    st.builds(OutputFormat, st.just("schema"), raws, names, words, st.sampled_from((None, True))),
)


@st.composite
def requests(draw: st.DrawFn) -> ChatRequest:
    """Any call that this language can say."""
    offered = tuple(draw(st.lists(tools, max_size=3, unique_by=lambda tool: tool.name)))
    choice = None
    if offered:
        choice = draw(
            st.one_of(
                st.none(),
                st.sampled_from(("auto", "none", "required")).map(ToolChoice),
                st.sampled_from(offered).map(
                    lambda tool: ToolChoice(chat.NAMED, tool.name, tool.kind)
                ),
                st.just(ToolChoice(chat.REQUIRED, allowed=(offered[0].name,))),
            )
        )
    return ChatRequest(
        "openai",
        "acme-large",
        tuple(draw(st.lists(messages, min_size=1, max_size=4))),
        stream=draw(st.booleans()),
        tools=offered,
        tool_choice=choice,
        parallel_tools=draw(st.sampled_from((None, False))) if offered else None,
        format=draw(formats),
        sampling=draw(sampling),
        max_output=draw(st.one_of(st.none(), st.integers(1, 9999))),
        reasoning=draw(
            st.one_of(st.none(), st.sampled_from(("low", "high", "max")).map(Reasoning))
        ),
        verbosity=draw(st.sampled_from(("", "low"))),
        modalities=draw(st.sampled_from(((), ("text",), ("text", "audio")))),
        audio=draw(st.sampled_from((None, Raw(b'{"voice":"alloy","format":"wav"}')))),
        user=draw(st.sampled_from(("", "u-1"))),
        metadata=draw(st.dictionaries(names, words, max_size=2)),
        service_tier=draw(st.sampled_from(("", "flex"))),
        store=draw(st.sampled_from((None, False, True))),
        cache_key=draw(st.sampled_from(("", "k"))),
        extra=draw(
            st.dictionaries(st.sampled_from(("prediction", "web_search_options", "acme")), raws)
        ),
    )


@settings(deadline=None, max_examples=150)
@given(request=requests())
def test_a_request_comes_back_as_it_was_written(make_wire: MakeWire, request: ChatRequest) -> None:
    encoded = encode(make_wire(quirks={"reasoning_control": "effort"}), request)
    assert encoded.losses == ()
    again = ClientRequest("POST", "/v1/chat/completions", "", {}, encoded.request.body)
    assert CLIENT.parse(again, CLIENT.glance(again)) == request


tops = st.builds(TopToken, words, st.floats(-9, 0), st.sampled_from((None, (72, 105))))
tokens = st.builds(
    TokenLogprob,
    words,
    st.floats(-9, 0),
    st.sampled_from((None, (72,))),
    st.lists(tops, max_size=2).map(tuple),
)
citations = st.builds(
    lambda title, start, end: Citation(title, "https://a.test", "", start, end),
    words,
    st.integers(0, 9),
    st.integers(0, 9),
)
usages = st.builds(
    Usage,
    st.integers(10, 99),
    st.integers(10, 99),
    cached=st.integers(0, 9),
    cache_write=st.integers(0, 9),
    reasoning=st.integers(0, 9),
    audio_input=st.integers(0, 9),
    audio_output=st.integers(0, 9),
).map(
    lambda usage: structs.replace(
        usage, cache_write=min(usage.cache_write, max(usage.input - usage.cached, 0))
    )
)
"""Counts that a bill can have: what is read from a cache and written to it is input."""


@st.composite
def choices(draw: st.DrawFn, index: int, *, streamed: bool = False) -> Choice:
    parts = list(draw(assistant_parts()))
    if not streamed and draw(st.booleans()):
        parts = [
            structs.replace(part, citations=tuple(draw(st.lists(citations, max_size=2))))
            if isinstance(part, Text)
            else part
            for part in parts
        ]
    called = any(isinstance(part, ToolCall) for part in parts)
    finish = "tool_calls" if called else draw(st.sampled_from(("stop", "length", "filter")))
    reason = {"filter": "content_filter"}.get(finish, finish)
    probable = draw(st.one_of(st.none(), st.lists(tokens, min_size=1, max_size=3).map(tuple)))
    return Choice(index, tuple(parts), finish, reason, logprobs=probable)


@st.composite
def responses(draw: st.DrawFn, *, streamed: bool = False) -> ChatResponse:
    count = draw(st.integers(1, 2))
    tier = draw(st.sampled_from(("", "flex")))
    billed = usages.map(lambda usage: structs.replace(usage, service_tier=tier))
    return ChatResponse(
        "openai",
        "chatcmpl-1",
        "acme-large-2026",
        tuple(draw(choices(index, streamed=streamed)) for index in range(count)),
        1_790_000_000,
        draw(st.one_of(st.none(), billed)),
        tier,
        draw(st.sampled_from(({}, {"system_fingerprint": Raw(b'"fp_1"')}))),
    )


def without_annotation_words(response: ChatResponse) -> ChatResponse:
    """A citation also keeps the words that it came in; they follow from the rest."""

    def bare(part: Part) -> Part:
        if isinstance(part, Text):
            cited = tuple(structs.replace(item, raw=None) for item in part.citations)
            return structs.replace(part, citations=cited)
        return part

    return structs.replace(
        response,
        choices=tuple(
            structs.replace(choice, parts=tuple(bare(part) for part in choice.parts))
            for choice in response.choices
        ),
    )


ASKED = ChatRequest("openai", "chat", (Message("user", (Text("Hello"),)),))


@settings(deadline=None, max_examples=150)
@given(response=responses())
def test_an_answer_comes_back_as_it_was_written(
    make_wire: MakeWire, response: ChatResponse
) -> None:
    body = CLIENT.render(response, ASKED)
    assert without_annotation_words(decode(make_wire(), body)) == response


def stream_of(response: ChatResponse, wire: Wire) -> bytes:
    """The response as a stream, by way of the chunks that its whole answer would make."""
    renderer = StreamRenderer(structs.replace(ASKED, stream=True))
    return renderer.render(chunks_of(response)) + renderer.close()


def chunks_of(response: ChatResponse) -> list[chunks.Chunk]:
    made: list[chunks.Chunk] = [
        chunks.Begun(
            response.id, response.model, response.created, response.service_tier, response.extra
        )
    ]
    for choice in response.choices:
        for place, part in enumerate(choice.parts):
            made += part_chunks(choice.index, place, part)
        if choice.logprobs is not None:
            made.append(chunks.Logprobs(choice.index, choice.logprobs))
        made.append(chunks.Finished(choice.index, choice.finish, choice.reason))
    if response.usage is not None:
        made.append(chunks.UsageSeen(response.usage))
    return made


def part_chunks(choice: int, place: int, part: Part) -> list[chunks.Chunk]:
    """A part in two pieces of text, its states with the last."""
    match part:
        case Thinking():
            head: Part = structs.replace(part, text="", signature="", sealed="")
            last = chunks.Delta(choice, place, "", part.signature, part.sealed)
            text = part.text
        case ToolCall():
            head, text = structs.replace(part, arguments=""), part.arguments
            last = chunks.Delta(choice, place)
        case Text():
            head, text, last = Text(""), part.text, chunks.Delta(choice, place)
        case Refusal():
            head, text, last = Refusal(""), part.text, chunks.Delta(choice, place)
        case _:
            raise AssertionError(part)
    middle = len(text) // 2
    pieces = [chunks.Delta(choice, place, piece) for piece in (text[:middle], text[middle:])]
    return [chunks.PartBegun(choice, place, head), *pieces, last, chunks.PartEnded(choice, place)]


@settings(deadline=None, max_examples=150)
@given(response=responses(streamed=True))
def test_a_stream_tells_the_same_as_the_whole_answer(
    make_wire: MakeWire, response: ChatResponse
) -> None:
    wire = make_wire()
    decoder, collector = StreamDecoder(wire), Collector("openai")
    collector.add(decoder.feed(stream_of(response, wire)))
    collector.add(decoder.close())
    assert decoder.complete
    assert decoder.done
    assert summary(collector.response()) == summary(response)


def summary(response: ChatResponse) -> ChatResponse:
    """An answer without the id of a thought, which its stream tells when it has ended."""

    def told(part: Part) -> Part:
        if isinstance(part, Thinking):
            return Thinking(part.text, part.signature, part.sealed)
        return part

    return structs.replace(
        response,
        choices=tuple(
            structs.replace(choice, parts=tuple(told(part) for part in choice.parts))
            for choice in response.choices
        ),
    )


@settings(deadline=None, max_examples=60)
@given(response=responses(streamed=True), data=st.data())
def test_every_cut_of_a_stream_gives_the_same_chunks(
    make_wire: MakeWire, response: ChatResponse, data: st.DataObject
) -> None:
    wire = make_wire()
    whole = stream_of(response, wire)
    if data.draw(st.booleans()):
        whole = whole.replace(b"\n", b"\r\n")
    first = StreamDecoder(wire)
    expected = first.feed(whole) + first.close()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    second = StreamDecoder(wire)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += second.feed(whole[start:end])
    found += second.close()
    assert found == expected
