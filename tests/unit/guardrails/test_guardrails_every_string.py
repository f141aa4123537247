"""No string of a chat call is forgotten, whatever member it stands in.

A call is made from the types alone, with a value in one string at a time, so a member that is
added to the canonical form is in these tests without anybody's doing.
"""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from msgspec import Raw
from planting import MAIL, planted

from federation.errors import Forbidden
from federation.guardrails import entities as kind
from federation.guardrails.chat import restore_response, screen_beside, screen_request
from federation.guardrails.entities import Action, Finding
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.streams import ChunkFilter
from federation.guardrails.visitor import OURS
from federation.schema.chat import (
    USER,
    ChatRequest,
    ChatResponse,
    Choice,
    Message,
    OutputFormat,
    Sampling,
)
from federation.schema.chunks import Finished
from federation.schema.parts import Media, Text, Thinking

PLAIN = ChatRequest("openai", "m", (Message(USER, (Text("hello"),)),))


def guard(action: Action) -> Guard:
    return Guard(Plan(dict.fromkeys(kind.BUILT_IN, action)), b"k")


GUARDS = {action: guard(action) for action in Action}


CALLS = dict(planted(ChatRequest, ""))


def test_the_calls_hold_what_leaked_once() -> None:
    places = "\n".join(CALLS)
    for name in ("OutputFormat.schema", "Sampling.stop", ".metadata (name)", "ToolCall.id",
                 "ToolResult.call_id", "Tool.name", "ToolChoice.name", ".cache_key"):  # fmt: skip
        assert name in places
    assert len(CALLS) > 150
    assert {part.__name__: sorted(names) for part, names in OURS.items()} == {
        "ChatRequest": ["dialect", "model"],
        "ChatResponse": ["dialect"],
        "Foreign": ["dialect"],
    }, "whoever adds to it has a reason"


@pytest.mark.parametrize("place", CALLS)
def test_what_may_not_pass_is_found_wherever_it_stands(place: str) -> None:
    with pytest.raises(Forbidden) as refused:
        screen_request(GUARDS[Action.BLOCK], CALLS[place], Screening.begin(b"s"))
    assert refused.value.code == "content_blocked"
    assert MAIL not in refused.value.message


@pytest.mark.parametrize("action", [Action.REDACT, Action.TOKENIZE, Action.HASH, Action.MASK])
def test_what_must_be_changed_is_changed_or_refused_wherever_it_stands(action: Action) -> None:
    told: list[str] = []
    for place, request in CALLS.items():
        screening = Screening.begin(b"s")
        try:
            changed = screen_request(GUARDS[action], request, screening)
        except Forbidden as refused:
            told.append(refused.message)
            continue
        assert MAIL not in msgspec.json.encode(changed).decode(), place
    assert all("what stands in " in each and MAIL not in each for each in told)
    assert 40 < len(told) < len(CALLS) - 40


def test_what_may_stay_is_counted_once_wherever_it_stands() -> None:
    for place, request in CALLS.items():
        screening = Screening.begin(b"s")
        assert screen_request(GUARDS[Action.LOG], request, screening) == request
        (found,) = screening.tally.findings()
        assert (found.kind, found.action, found.count) == ("email", "log", 1), place


def test_a_refusal_names_the_member() -> None:
    request = msgspec.structs.replace(PLAIN, cache_key=MAIL)
    with pytest.raises(Forbidden, match="what stands in cache_key: email"):
        screen_request(GUARDS[Action.REDACT], request, Screening.begin(b"s"))
    request = msgspec.structs.replace(PLAIN, metadata={MAIL: "x"})
    with pytest.raises(Forbidden, match="what stands in a name in metadata: email"):
        screen_request(GUARDS[Action.TOKENIZE], request, Screening.begin(b"s"))


def test_schemas_and_stops_are_changed_and_stay_what_they_are() -> None:
    schema = {"properties": {"a": {"enum": [MAIL, "b"], "maximum": 1.50}}, "title": MAIL}
    request = msgspec.structs.replace(
        PLAIN,
        format=OutputFormat("schema", Raw(json.dumps(schema).encode()), "n", f"of {MAIL}"),
        sampling=Sampling(stop=("END", MAIL)),
    )
    changed = screen_request(GUARDS[Action.REDACT], request, Screening.begin(b"s"))
    assert changed.format is not None
    assert changed.format.schema is not None
    assert json.loads(bytes(changed.format.schema)) == json.loads(
        json.dumps(schema).replace(MAIL, "[EMAIL]")
    )
    assert changed.format.description == "of [EMAIL]"
    assert changed.sampling.stop == ("END", "[EMAIL]")


def test_the_stop_that_ended_an_answer_is_the_clients_own_again() -> None:
    screening = Screening.begin(b"s")
    request = msgspec.structs.replace(PLAIN, sampling=Sampling(stop=(MAIL,)))
    (told,) = screen_request(GUARDS[Action.TOKENIZE], request, screening).sampling.stop
    assert told != MAIL
    answer = ChatResponse("anthropic", "i", "m", (Choice(0, (), stop_sequence=told),))
    assert restore_response(answer, screening.vault).choices[0].stop_sequence == MAIL
    (end,) = ChunkFilter(GUARDS[Action.TOKENIZE], screening).feed(
        [Finished(0, "stop", stop_sequence=told)]
    )
    assert isinstance(end, Finished)
    assert end.stop_sequence == MAIL


def test_what_only_its_maker_reads_and_files_are_no_words() -> None:
    sealed = "GT98SCXoLMp7FwxhXndVGFdDFGhp" + "abC1" * 30
    request = msgspec.structs.replace(
        PLAIN,
        messages=(
            Message("assistant", (Thinking("hm", signature=sealed, sealed=sealed),)),
            Message(USER, (Media("image", "image/png", data=sealed),)),
        ),
    )
    assert screen_request(GUARDS[Action.BLOCK], request, Screening.begin(b"s")) == request
    for words in (f"to {MAIL} " * 9, "4539148803436467", "x4539-1488-0343-6467" + "x" * 64 + MAIL):
        signed = Message("assistant", (Thinking("hm", signature=words),))
        with pytest.raises(Forbidden, match="signature"):
            screen_request(
                GUARDS[Action.BLOCK],
                msgspec.structs.replace(PLAIN, messages=(signed,)),
                Screening.begin(b"s"),
            )


SVG = f'<svg xmlns="http://www.w3.org/2000/svg"><text>write to {MAIL}</text>{"<g/>" * 400}</svg>'


@pytest.mark.parametrize("kind", ["image", "audio", "video", "file"])
@pytest.mark.parametrize("media_type", ["image/svg+xml", "image/png", "audio/wav", ""])
@pytest.mark.parametrize("text", [f"to {MAIL}", SVG, "\u00e9 " * 1000 + MAIL])
def test_what_is_called_a_picture_and_is_text_is_read(
    kind: str, media_type: str, text: str
) -> None:
    packed = base64.b64encode(text.encode()).decode()
    url_safe = packed.replace("+", "-").replace("/", "_").rstrip("=")
    wrapped = "\n".join(packed[at : at + 76] for at in range(0, len(packed), 76))
    for data in (packed, url_safe, wrapped):
        message = Message(USER, (Media(kind, media_type, data=data),))
        request = msgspec.structs.replace(PLAIN, messages=(message,))
        with pytest.raises(Forbidden):
            screen_request(GUARDS[Action.BLOCK], request, Screening.begin(b"s"))
        told = screen_request(GUARDS[Action.REDACT], request, Screening.begin(b"s"))
        (part,) = told.messages[0].parts
        assert isinstance(part, Media)
        assert base64.b64decode(part.data).decode() == text.replace(MAIL, "[EMAIL]")


@pytest.mark.parametrize(
    "binary",
    [b"\x89PNG\r\n\x1a\n" + b"a" * 2000, b"RIFF\x00\x00" + b"a" * 2000, b"%PDF-1.7 abc" * 200],
)
def test_a_picture_that_is_one_goes_as_it_is(binary: bytes) -> None:
    data = base64.b64encode(binary + MAIL.encode()).decode()
    message = Message(USER, (Media("image", "image/svg+xml", data=data),))
    request = msgspec.structs.replace(PLAIN, messages=(message,))
    assert screen_request(GUARDS[Action.REDACT], request, Screening.begin(b"s")) == request


@pytest.mark.parametrize("data", ["\u00e9" * 8, base64.b64encode(b"a" * 900).decode() + "\u00e9"])
def test_a_file_that_is_no_base64_is_read_as_it_stands(data: str) -> None:
    for sent, passes in ((data, True), (f"{data} {MAIL}", False)):
        message = Message(USER, (Media("image", "image/png", data=sent),))
        request = msgspec.structs.replace(PLAIN, messages=(message,))
        if passes:
            screened = screen_request(GUARDS[Action.BLOCK], request, Screening.begin(b"s"))
            assert screened == request
        else:
            with pytest.raises(Forbidden):
                screen_request(GUARDS[Action.BLOCK], request, Screening.begin(b"s"))


def test_what_the_canonical_form_leaves_out_is_looked_at_in_the_body() -> None:
    clean = json.dumps({"messages": [{"content": "hello", "x": {"y": [1, "z"]}}]})
    screening = Screening.begin(b"s")
    screen_beside(GUARDS[Action.BLOCK], clean, PLAIN, screening)
    for left in (f'"{MAIL}"', "4539148803436467", f'{{"{MAIL}": 1}}', f'"a", "x": "{MAIL}"',
                 '"jane.doe\\u0040example.org"'):  # fmt: skip
        with pytest.raises(Forbidden, match="does not know: "):
            screen_beside(GUARDS[Action.REDACT], f'{{"x": {left}}}', PLAIN, screening)


def test_what_was_looked_at_in_its_place_is_not_counted_again() -> None:
    request = msgspec.structs.replace(
        PLAIN, user=MAIL, extra={"x": Raw(json.dumps({"y": [MAIL]}).encode())}
    )
    screening = Screening.begin(b"s")
    screen_beside(GUARDS[Action.LOG], json.dumps({"user": MAIL, "x": MAIL}), request, screening)
    assert screening.tally.findings() == ()
    body = json.dumps({"z": "ann.roe@example.org"})
    screen_beside(GUARDS[Action.LOG], body, request, screening)
    (found,) = screening.tally.findings()
    assert isinstance(found, Finding)
    assert (found.kind, found.count) == ("email", 1)


@pytest.mark.parametrize("count", [300, 3])
def test_many_names_are_read_together_and_none_is_missed(count: int) -> None:
    metadata = {f"name_{number}": "x" for number in range(count)}
    small = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.BLOCK), most_characters=60), b"k")
    for one in (GUARDS[Action.BLOCK], small):
        request = msgspec.structs.replace(PLAIN, metadata=metadata)
        assert screen_request(one, request, Screening.begin(b"s")) == request
        request = msgspec.structs.replace(PLAIN, metadata=metadata | {MAIL: "x"})
        with pytest.raises(Forbidden):
            screen_request(one, request, Screening.begin(b"s"))
