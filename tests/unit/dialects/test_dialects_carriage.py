"""States on their way through clients: there and back unchanged, and never to a stranger."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable

import msgspec
import pytest
from google.genai import types as genai
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec import structs

from federation.dialects.carriage import (
    MARKED,
    WITHOUT_PLACE,
    carries,
    fit,
    maker_of,
    unwrap,
    wrap,
    wrap_part,
)
from federation.dialects.carriage_stream import Wrapper
from federation.dialects.envelopes import Letter, disclose, enclose
from federation.errors import UpstreamCut
from federation.schema.chat import ChatRequest, ChatResponse, Choice, Message
from federation.schema.chunks import (
    Begun,
    Chunk,
    Collector,
    Delta,
    Failed,
    Finished,
    PartBegun,
    PartEnded,
    UsageSeen,
)
from federation.schema.parts import (
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

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
MAKER = "gemini/google"
CLIENTS = ("openai", "openai_responses", "anthropic", "gemini", "bedrock", "cohere", "ollama")

blobs = st.binary(min_size=12, max_size=90)
states = st.one_of(
    st.text(max_size=40),
    blobs.map(lambda data: base64.b64encode(data).decode()),
    blobs.map(lambda data: base64.urlsafe_b64encode(data).decode()),
    blobs.map(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")),
)
ids = st.text("abcXYZ019_-", min_size=1, max_size=20)
thoughts = st.builds(
    Thinking,
    text=st.text(max_size=30),
    signature=states,
    sealed=states,
    id=st.one_of(st.just(""), ids),
)
texts = st.builds(Text, text=st.text(max_size=30), signature=states)
calls = st.builds(ToolCall, id=ids, name=st.just("f"), arguments=st.just("{}"), signature=states)
parts = st.one_of(thoughts, texts, calls, st.just(Refusal("no")), st.just(Media("image", url="u")))
part_lists = st.lists(parts, max_size=6)


def answer(found: Iterable[Part]) -> ChatResponse:
    return ChatResponse("gemini", "r", "m", (Choice(0, tuple(found), "stop"),))


def conversation(found: Iterable[Part], dialect: str = "openai") -> ChatRequest:
    return ChatRequest(dialect, "m", (Message("assistant", tuple(found)),))


def parts_of(request: ChatRequest) -> tuple[Part, ...]:
    return tuple(part for message in request.messages for part in message.parts)


def wrapped(found: Iterable[Part], dialect: str = "openai", key: bytes = KEY) -> tuple[Part, ...]:
    with_ids = dialect in WITHOUT_PLACE
    return wrap(answer(found), MAKER, key, dialect, ids=with_ids).choices[0].parts


def back(found: Iterable[Part], dialect: str = "openai", key: bytes = KEY) -> tuple[Part, ...]:
    return parts_of(unwrap(conversation(found, dialect), key))


def made(part: Part) -> Part:
    """The part as it must come back: with its maker, where it has a state."""
    if isinstance(part, Thinking) and (part.id or part.signature or part.sealed):
        return structs.replace(part, maker=MAKER)
    if isinstance(part, Text | ToolCall) and part.signature:
        return structs.replace(part, maker=MAKER)
    return part


def state_texts(found: Iterable[Part]) -> list[str]:
    return [
        text
        for part in found
        if isinstance(part, Thinking | Text | ToolCall)
        for text in (part.signature, getattr(part, "sealed", ""))
        if text
    ]


# There and back


@pytest.mark.parametrize("dialect", CLIENTS)
@given(found=part_lists)
@settings(deadline=None, max_examples=60)
def test_states_come_back_as_their_maker_wrote_them(dialect: str, found: list[Part]) -> None:
    assert back(wrapped(found, dialect), dialect) == tuple(map(made, found))


@given(found=part_lists, dialect=st.sampled_from(CLIENTS))
@settings(deadline=None)
def test_wrapping_twice_is_wrapping_once(found: list[Part], dialect: str) -> None:
    once = wrapped(found, dialect)
    assert wrapped(once, dialect) == once


@given(found=part_lists)
@settings(deadline=None)
def test_opening_twice_is_opening_once(found: list[Part]) -> None:
    once = unwrap(conversation(wrapped(found)), KEY)
    assert unwrap(once, KEY) == once


def test_what_has_no_state_is_the_very_same_object() -> None:
    plain = answer([Text("a"), Thinking("b"), ToolCall("c", "f", "{}"), Refusal("d")])
    assert wrap(plain, MAKER, KEY, "openai", ids=True) is plain
    request = conversation([*plain.choices[0].parts, Text("x", signature="native")])
    assert unwrap(request, KEY) is request
    assert fit(request, "openai/acme") == (request, False)


@pytest.mark.parametrize(
    ("dialect", "thinking", "place"),
    [
        ("anthropic", Thinking("t", signature="s"), "signature"),
        ("anthropic", Thinking(sealed="s"), "sealed"),
        ("openai", Thinking("t", sealed="s"), "signature"),
        ("openai_responses", Thinking("t", signature="s"), "sealed"),
        ("gemini", Thinking(sealed="s"), "signature"),
        ("bedrock", Thinking(sealed="s", id="rs_1"), "signature"),
    ],
)
def test_an_envelope_goes_where_the_clients_dialect_has_room(
    dialect: str, thinking: Thinking, place: str
) -> None:
    (part,) = wrapped([thinking], dialect)
    assert isinstance(part, Thinking)
    other = "sealed" if place == "signature" else "signature"
    assert getattr(part, place).startswith("fed1seal")
    assert (getattr(part, other), part.id, part.text) == ("", "", thinking.text)


# Envelopes


@given(states, states, st.one_of(st.just(""), ids))
def test_an_envelope_is_base64_that_needs_no_padding(
    signature: str, sealed: str, identity: str
) -> None:
    envelope = enclose(Letter(MAKER, identity, signature, sealed), KEY)
    assert re.fullmatch(r"fed1seal[A-Za-z0-9+/]*", envelope)
    assert len(envelope) % 4 == 0
    expected = Letter(MAKER, identity, signature, sealed)
    assert disclose(envelope, KEY) == expected
    assert disclose(envelope.translate(str.maketrans("+/", "-_")), KEY) == expected


def test_an_envelope_is_hardly_longer_than_what_it_holds() -> None:
    for state in (
        base64.b64encode(bytes(range(256)) * 40).decode(),
        base64.urlsafe_b64encode(bytes(range(256)) * 40).decode(),
    ):
        assert len(enclose(Letter(MAKER, sealed=state), KEY)) < len(state) + 80


@given(st.data())
def test_a_changed_envelope_is_none(data: st.DataObject) -> None:
    envelope = enclose(Letter(MAKER, "id", data.draw(states)), KEY)
    at = data.draw(st.integers(0, len(envelope) - 1))
    letter = data.draw(st.sampled_from("Ax9+/=.é "))
    changed = envelope[:at] + letter + envelope[at + 1 :]
    assume(changed != envelope)
    assert disclose(changed, KEY) is None
    for cut in (envelope[:at], envelope + letter, letter + envelope, envelope + "AAAA"):
        assert disclose(cut, KEY) is None


@given(st.text(max_size=60))
def test_any_text_is_an_envelope_or_none(text: str) -> None:
    assert disclose(text, KEY) is None
    assert disclose("fed1seal" + text, KEY) is None


def test_an_envelope_of_another_installation_is_none() -> None:
    assert disclose(enclose(Letter(MAKER, signature="s"), OTHER_KEY), KEY) is None


@pytest.mark.parametrize("dialect", CLIENTS)
def test_a_changed_envelope_counts_as_absent(dialect: str) -> None:
    found: list[Part] = [
        Thinking("t", signature="s", sealed="u", id="i"),
        Text("a", signature="s"),
        ToolCall("call_1", "f", "{}", signature="s"),
    ]
    assert back(wrapped(found, dialect, OTHER_KEY), dialect) == (
        Thinking("t"),
        Text("a"),
        ToolCall("call_1", "f", "{}"),
    )


def test_a_signature_whose_text_a_client_changed_is_absent() -> None:
    (part,) = wrapped([Thinking("the text", signature="s")])
    assert isinstance(part, Thinking)
    (changed,) = back([structs.replace(part, text="the text ")])
    assert changed == Thinking("the text ")
    (gone,) = back([structs.replace(part, text="")])
    assert gone == Thinking("", signature="s", maker=MAKER)


def test_a_body_with_an_envelope_is_recognized() -> None:
    (call,) = wrapped([ToolCall("call_1", "f", "{}", signature="s")])
    assert carries(msgspec.json.encode(conversation([call])))
    assert not carries(msgspec.json.encode(conversation([Text("fed1 seal")])))


# Ids


def test_a_tool_calls_state_hangs_at_its_id_and_comes_off_again() -> None:
    found = [ToolCall("call_1", "f", "{}", signature="c2ln"), ToolCall("call_2", "f", "{}")]
    first, second = wrapped(found)
    assert isinstance(first, ToolCall)
    assert re.fullmatch(r"call_1__fed1seal[A-Za-z0-9_-]+", first.id)
    assert (first.signature, second) == ("", found[1])
    request = ChatRequest(
        "openai",
        "m",
        (
            Message("assistant", (first, second)),
            Message("tool", (ToolResult(first.id, (Text("r"),)), ToolResult("call_2"))),
        ),
    )
    opened = unwrap(request, KEY)
    assert opened.messages[0].parts == (structs.replace(found[0], maker=MAKER), found[1])
    assert opened.messages[1].parts == (ToolResult("call_1", (Text("r"),)), ToolResult("call_2"))


@pytest.mark.parametrize("keep", [9, 20, 40])
def test_an_id_that_a_client_cut_off_still_fits_its_result(keep: int) -> None:
    (call,) = wrapped([ToolCall("call_1", "f", "{}", signature="c2lnbmF0dXJl")])
    assert isinstance(call, ToolCall)
    cut = call.id[: len("call_1__fed1seal") + keep]
    found = back([structs.replace(call, id=cut), ToolResult(cut)])
    assert found == (ToolCall("call_1", "f", "{}"), ToolResult("call_1"))


# To a provider


@given(found=part_lists, family=st.sampled_from(("openai", "anthropic", "cohere")))
@settings(deadline=None)
def test_a_state_never_reaches_another_maker(found: list[Part], family: str) -> None:
    marked: list[Part] = [
        structs.replace(part, signature="MARK" + part.signature)
        if isinstance(part, Thinking | Text | ToolCall)
        else part
        for part in found
    ]
    request = unwrap(conversation(wrapped(marked), "openai"), KEY)
    fitted, lost = fit(request, maker_of(family, "acme"))
    assert lost == bool(state_texts(marked))
    assert b"MARK" not in msgspec.json.encode(fitted)
    assert state_texts(parts_of(fitted)) == []
    assert fit(fitted, maker_of(family, "acme")) == (fitted, False)
    texts_kept = [part.text for part in parts_of(fitted) if isinstance(part, Thinking)]
    assert texts_kept == [part.text for part in marked if isinstance(part, Thinking) and part.text]


@given(found=part_lists, dialect=st.sampled_from(CLIENTS))
@settings(deadline=None)
def test_a_state_goes_back_whole_to_its_maker(found: list[Part], dialect: str) -> None:
    request = unwrap(conversation(wrapped(found, dialect), dialect), KEY)
    assert fit(request, MAKER) == (request, False)


def test_what_came_without_an_envelope_belongs_to_the_clients_dialect() -> None:
    native = conversation([Thinking("t", signature="s"), Text("a")], "anthropic")
    assert fit(native, maker_of("anthropic", "bedrock_claude")) == (native, False)
    fitted, lost = fit(native, maker_of("gemini", "google"))
    assert parts_of(fitted) == (Thinking("t"), Text("a"))
    assert lost


def test_anthropics_states_are_good_on_every_host_of_theirs_and_others_are_not() -> None:
    assert maker_of("anthropic", "a") == maker_of("anthropic", "b")
    assert maker_of("openai_responses", "a") != maker_of("openai_responses", "b")


def test_a_turn_that_held_nothing_else_is_gone() -> None:
    request = ChatRequest(
        "anthropic",
        "m",
        (
            Message("user", (Text("hi"),)),
            Message("assistant", (Thinking(sealed="s"),)),
            Message("assistant", (Thinking(id="i", signature="s"), Text("a"))),
            Message("user", ()),
        ),
    )
    fitted, lost = fit(request, "openai/acme")
    assert lost
    assert fitted.messages == (
        Message("user", (Text("hi"),)),
        Message("assistant", (Text("a"),)),
        Message("user", ()),
    )


def test_an_id_alone_is_left_out_without_a_word() -> None:
    request = conversation([Thinking("t", id="rs_1")], "openai_responses")
    assert fit(request, "gemini/google") == (
        conversation([Thinking("t")], "openai_responses"),
        False,
    )


def test_makers_of_two_providers_in_one_conversation_are_kept_apart() -> None:
    one = wrap_part(Thinking("1", signature="a"), "gemini/x", KEY, "openai", ids=True)
    two = wrap_part(Thinking("2", signature="b"), "gemini/y", KEY, "openai", ids=True)
    request = unwrap(conversation([one, two]), KEY)
    assert parts_of(fit(request, "gemini/y")[0]) == (
        Thinking("1"),
        Thinking("2", signature="b", maker="gemini/y"),
    )


# Streams


def as_chunks(draw: st.DrawFn, number: int, part: Part) -> list[Chunk]:
    """The chunks of one part, its text and states in pieces wherever a stream may cut them."""

    def cut(text: str) -> tuple[str, list[str]]:
        """What stands in the head, and the pieces after it."""
        at = draw(st.integers(0, len(text)))
        middle = draw(st.integers(at, len(text)))
        return text[:at], [piece for piece in (text[at:middle], text[middle:]) if piece]

    more: list[Chunk] = []
    match part:
        case Thinking():
            text, texts_after = cut(part.text)
            sign, signs = cut(part.signature)
            seal, seals = cut(part.sealed)
            head: Part = structs.replace(part, text=text, signature=sign, sealed=seal)
            more += [Delta(0, number, piece) for piece in texts_after]
            more += [Delta(0, number, signature=piece) for piece in signs]
            more += [Delta(0, number, sealed=piece) for piece in seals]
        case Text():
            text, texts_after = cut(part.text)
            sign, signs = cut(part.signature)
            head = structs.replace(part, text=text, signature=sign, citations=())
            more += [Delta(0, number, piece) for piece in texts_after]
            more += [Delta(0, number, signature=piece) for piece in signs]
            more += [Delta(0, number, citation=each) for each in part.citations]
        case ToolCall():
            sign, signs = cut(part.signature)
            head = structs.replace(part, arguments="", signature=sign)
            more += [Delta(0, number, signature=piece) for piece in signs]
            more.append(Delta(0, number, part.arguments))
        case _:
            head = part
    return [PartBegun(0, number, head), *more, PartEnded(0, number)]


@st.composite
def streams(draw: st.DrawFn, *, whole_parts: bool) -> tuple[list[Part], list[list[Chunk]]]:
    """Parts, and batches of the chunks that tell them."""
    found: list[Part] = list(draw(part_lists))
    batches: list[list[Chunk]] = [[Begun("r", "m")]]
    for number, part in enumerate(found):
        for at, chunk in enumerate(as_chunks(draw, number, part)):
            cut = at == 0 or (not whole_parts and draw(st.booleans()))
            batches.append([chunk]) if cut else batches[-1].append(chunk)
    batches.append([Finished(0, "stop"), UsageSeen(Usage(1, 1))])
    return found, batches


def collected(batches: list[list[Chunk]], dialect: str, *, with_ids: bool) -> tuple[Part, ...]:
    wrapper = Wrapper(MAKER, KEY, dialect, ids=with_ids)
    collector = Collector("gemini")
    for batch in batches:
        collector.add(wrapper.feed(batch))
    (choice,) = collector.response().choices
    return choice.parts


@given(streams(whole_parts=False), st.sampled_from(CLIENTS))
@settings(deadline=None)
def test_a_stream_carries_what_the_whole_answer_carries(
    stream: tuple[list[Part], list[list[Chunk]]], dialect: str
) -> None:
    found, batches = stream
    whole = wrap(answer(found), MAKER, KEY, dialect, ids=False).choices[0].parts
    assert collected(batches, dialect, with_ids=False) == whole


@given(streams(whole_parts=True), st.sampled_from(sorted(WITHOUT_PLACE)))
@settings(deadline=None)
def test_a_streamed_call_that_comes_whole_carries_its_state_at_its_id(
    stream: tuple[list[Part], list[list[Chunk]]], dialect: str
) -> None:
    found, batches = stream
    whole = wrap(answer(found), MAKER, KEY, dialect, ids=True).choices[0].parts
    assert collected(batches, dialect, with_ids=True) == whole


@given(streams(whole_parts=False), st.sampled_from(CLIENTS), st.booleans())
@settings(deadline=None)
def test_no_bare_state_is_ever_streamed(
    stream: tuple[list[Part], list[list[Chunk]]], dialect: str, with_ids: bool
) -> None:
    for part in collected(stream[1], dialect, with_ids=with_ids):
        assert all(text.startswith("fed1seal") for text in state_texts([part]))


def test_text_goes_on_at_once_and_the_envelope_comes_before_the_end() -> None:
    wrapper = Wrapper(MAKER, KEY, "anthropic", ids=True)
    assert wrapper.feed([PartBegun(0, 0, Thinking())]) == []
    assert wrapper.feed([Delta(0, 0, "a")]) == [PartBegun(0, 0, Thinking()), Delta(0, 0, "a")]
    assert wrapper.feed([Delta(0, 0, "b")]) == [Delta(0, 0, "b")]
    assert wrapper.feed([Delta(0, 0, signature="s1")]) == []
    assert wrapper.feed([Delta(0, 0, signature="s2")]) == []
    letter, end = wrapper.feed([PartEnded(0, 0)])
    assert end == PartEnded(0, 0)
    assert isinstance(letter, Delta)
    (part,) = back([Thinking("ab", signature=letter.signature)])
    assert part == Thinking("ab", signature="s1s2", maker=MAKER)


def test_sealed_reasoning_opens_with_its_envelope() -> None:
    wrapper = Wrapper(MAKER, KEY, "anthropic", ids=True)
    assert wrapper.feed([PartBegun(0, 0, Thinking(sealed="u"))]) == []
    begun, end = wrapper.feed([PartEnded(0, 0)])
    assert isinstance(begun, PartBegun)
    assert isinstance(begun.head, Thinking)
    assert begun.head.sealed.startswith("fed1seal")
    assert end == PartEnded(0, 0)


def test_a_signature_that_comes_too_late_for_the_id_is_left_out() -> None:
    wrapper = Wrapper(MAKER, KEY, "openai", ids=True)
    head = ToolCall("call_1", "f", "")
    assert wrapper.feed([PartBegun(0, 0, head)]) == [PartBegun(0, 0, head)]
    assert wrapper.feed([Delta(0, 0, "{}", signature="s")]) == [Delta(0, 0, "{}")]
    assert wrapper.feed([PartEnded(0, 0)]) == [PartEnded(0, 0)]


def test_interleaved_calls_and_choices_keep_their_own_states() -> None:
    wrapper = Wrapper(MAKER, KEY, "gemini", ids=False)
    heads = [(0, 0), (0, 1), (1, 0)]
    collector = Collector("gemini")
    collector.add(wrapper.feed([PartBegun(*at, ToolCall(f"c{at}", "f", "")) for at in heads]))
    collector.add(wrapper.feed([Delta(*at, signature=f"s{at}") for at in heads]))
    collector.add(wrapper.feed([PartEnded(*at) for at in reversed(heads)]))
    found = [part for choice in collector.response().choices for part in choice.parts]
    assert [part.signature for part in back(found) if isinstance(part, ToolCall)] == [
        f"s{at}" for at in heads
    ]


def test_everything_else_passes_untouched() -> None:
    chunks: list[Chunk] = [
        Begun("r", "m"),
        PartBegun(0, 0, Refusal("")),
        Delta(0, 0, "no"),
        PartEnded(0, 0),
        PartBegun(0, 1, Text("")),
        Delta(0, 1, "x", citation=Citation("t")),
        PartEnded(0, 1),
        UsageSeen(Usage()),
        Finished(0, "stop"),
        Failed(UpstreamCut("cut")),
    ]
    assert Wrapper(MAKER, KEY, "openai", ids=True).feed(chunks) == chunks


@pytest.mark.parametrize("dialect", sorted(MARKED))
def test_reasoning_without_a_state_is_marked_where_its_provider_would_refuse_it(
    dialect: str,
) -> None:
    (part,) = wrapped([Thinking("t")], dialect)
    assert isinstance(part, Thinking)
    assert part.text == "t"
    assert carries((part.signature + part.sealed).encode())
    assert back([part], dialect) == (Thinking("t"),)
    chunks: list[Chunk] = [
        PartBegun(0, 0, Thinking()),
        Delta(0, 0, "t"),
        PartEnded(0, 0),
    ]
    assert collected([[Begun("r", "m")], chunks], dialect, with_ids=True) == (part,)


@pytest.mark.parametrize("dialect", ["openai", "gemini", "cohere", "ollama"])
def test_reasoning_without_a_state_stays_as_it_is_where_everybody_takes_it(dialect: str) -> None:
    assert wrapped([Thinking("t")], dialect) == (Thinking("t"),)


# Against the vendors' own code


def test_googles_sdk_sends_an_envelope_back_that_still_opens() -> None:
    (part,) = wrapped([Text("a", signature=base64.b64encode(bytes(range(200))).decode())], "gemini")
    assert isinstance(part, Text)
    read = genai.Part.model_validate_json(
        msgspec.json.encode({"text": "a", "thoughtSignature": part.signature})
    )
    sent = msgspec.json.decode(read.model_dump_json(by_alias=True, exclude_none=True))
    (opened,) = back([Text("a", signature=sent["thoughtSignature"])])
    assert isinstance(opened, Text)
    assert base64.b64decode(opened.signature) == bytes(range(200))


def test_a_program_that_decodes_and_encodes_base64_does_no_harm() -> None:
    envelope = enclose(Letter(MAKER, signature="sig"), KEY)
    assert base64.b64encode(base64.b64decode(envelope)).decode() == envelope
    assert base64.standard_b64decode(envelope) == base64.b64decode(envelope, validate=True)


def test_a_long_conversation_is_opened_and_fitted_in_milliseconds() -> None:
    state = base64.b64encode(bytes(range(256)) * 4).decode()
    found: list[Part] = []
    for number in range(200):
        found.append(Thinking("why " * 50, signature=state))
        found.append(ToolCall(f"call_{number}", "f", "{}", signature=state))
    request = conversation(wrapped(found))
    began = time.process_time()
    fitted, _ = fit(unwrap(request, KEY), MAKER)
    assert time.process_time() - began < 0.05
    assert len(parts_of(fitted)) == 400
