"""Reading along a stream: bytes stay, the withheld event goes, the end is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.openai.tap import StreamTap
from federation.dialects.openai.wire import Wire
from federation.dialects.sse import EVENT_LIMIT
from federation.errors import UpstreamFailed, UpstreamGarbled, UpstreamRateLimited
from federation.schema.usage import Usage

MakeWire = Callable[..., Wire]


def event(eol: str = "\n", **members: Any) -> bytes:
    return f"data: {json.dumps(members)}{eol}{eol}".encode()


def delta(content: Any = None, *, finish: str | None = None, index: int = 0, **others: Any) -> Any:
    return {
        "index": index,
        "delta": {**({} if content is None else {"content": content}), **others},
        "finish_reason": finish,
    }


ROLE = event(model="m-1", choices=[delta("", role="assistant")])
HELLO = event(model="m-1", choices=[delta("Hello")])
STOP = event(model="m-1", choices=[delta(finish="stop")])
USAGE = event(model="m-1", choices=[], usage={"prompt_tokens": 9, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
PING = b": keep-alive\n\n"


@pytest.fixture(scope="session")
def wire(make_wire: MakeWire) -> Wire:
    """A row without quirks."""
    return make_wire()


def run(
    wire: Wire, *pieces: bytes, withhold: bool = True, choices: int = 1
) -> tuple[StreamTap, bytes]:
    tap = StreamTap(wire, withhold_usage=withhold, choices=choices)
    out = b"".join([tap.feed(piece) for piece in pieces])
    return tap, out + tap.close()


def test_a_stream_is_read_to_its_end(wire: Wire) -> None:
    tap, out = run(wire, ROLE, PING, HELLO, STOP, USAGE, DONE)
    assert out == ROLE + PING + HELLO + STOP + DONE
    answer = tap.answer()
    assert (answer.model, answer.finish) == ("m-1", "stop")
    assert answer.usage == Usage(9, 2)
    assert tap.done
    assert tap.complete
    assert tap.events >= 1
    assert (tap.malformed, tap.error) == (0, None)


def test_a_usage_event_that_the_client_asked_for_is_passed(wire: Wire) -> None:
    tap, out = run(wire, HELLO, STOP, USAGE, DONE, withhold=False)
    assert out == HELLO + STOP + USAGE + DONE
    assert tap.answer().usage == Usage(9, 2)


def test_only_the_event_that_is_nothing_but_usage_is_withheld(wire: Wire) -> None:
    with_finish = event(
        choices=[delta(finish="stop")], usage={"prompt_tokens": 1, "completion_tokens": 2}
    )
    filters = event(choices=[], prompt_filter_results=[])
    filters_null = event(choices=[], usage=None)
    tap, out = run(wire, filters, filters_null, HELLO, with_finish, DONE)
    assert out == filters + filters_null + HELLO + with_finish + DONE
    assert tap.answer().usage == Usage(1, 2)


def test_usage_is_found_where_another_host_puts_it(wire: Wire) -> None:
    last = event(
        choices=[delta(finish="stop")],
        x_groq={"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    )
    first = event(choices=[delta("")], x_groq={"id": "r"})
    tap, out = run(wire, first, HELLO, last, DONE)
    assert out == first + HELLO + last + DONE
    assert tap.answer().usage == Usage(3, 4)


def test_the_last_readable_usage_counts(wire: Wire) -> None:
    first = event(choices=[delta("a")], usage={"prompt_tokens": 3, "completion_tokens": 1})
    later = event(choices=[delta("b")], usage={"prompt_tokens": 3, "completion_tokens": 2})
    odd = event(choices=[delta("c")], usage={"prompt_tokens": "many"})
    tap, _ = run(wire, first, later, odd)
    assert tap.answer().usage == Usage(3, 2)


@pytest.mark.parametrize(
    "members",
    [
        {"content": "x"},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"reasoning_details": [{}]},
        {"refusal": "x"},
        {"tool_calls": [{"index": 0}]},
        {"function_call": {"name": "f"}},
        {"audio": {"id": "a"}},
    ],
)
def test_the_first_content_of_any_kind_starts_the_answer(
    wire: Wire, members: dict[str, Any]
) -> None:
    tap = StreamTap(wire, withhold_usage=True)
    for opening in (ROLE, PING, event(choices=[delta(tool_calls=[])])):
        tap.feed(opening)
        assert not tap.started
    tap.feed(event(choices=[delta(**members)]))
    assert tap.started


@pytest.mark.parametrize("ending", [STOP, DONE])
def test_an_answer_without_content_has_started_when_it_ends(wire: Wire, ending: bytes) -> None:
    tap, _ = run(wire, ROLE, ending)
    assert tap.started
    assert tap.complete


def test_every_choice_must_finish(wire: Wire) -> None:
    first = event(choices=[delta(finish="length", index=1)])
    tap, _ = run(wire, HELLO, first, choices=2)
    assert not tap.complete
    assert tap.answer().finish == ""
    tap.feed(STOP)
    assert tap.complete
    assert tap.answer().finish == "stop"


def test_an_empty_finish_reason_is_none(wire: Wire) -> None:
    tap, _ = run(wire, event(choices=[delta("x", finish="")]))
    assert not tap.complete


# Errors in the stream


def test_an_error_before_the_answer_started_is_raised(wire: Wire) -> None:
    tap = StreamTap(wire, withhold_usage=True)
    tap.feed(ROLE)
    with pytest.raises(UpstreamRateLimited):
        tap.feed(event(error={"code": 429, "message": "Slow"}, choices=[delta("", finish="error")]))


def test_an_error_after_the_start_is_forwarded_and_kept(wire: Wire) -> None:
    broken = event(
        error={"code": 502, "message": "Upstream died"}, choices=[delta("", finish="error")]
    )
    tap, out = run(wire, HELLO, broken)
    assert out == HELLO + broken
    assert isinstance(tap.error, UpstreamFailed)
    tap.feed(DONE)
    assert tap.done
    assert not tap.complete


def test_an_error_inside_a_choice_counts_too(wire: Wire) -> None:
    choice = {**delta("", finish="error"), "error": {"code": 503, "message": "Busy"}}
    tap, _ = run(wire, HELLO, event(choices=[choice]))
    assert isinstance(tap.error, UpstreamFailed)
    with pytest.raises(UpstreamFailed):
        run(wire, ROLE, event(choices=[choice]))


def test_an_error_that_is_null_or_fine_is_none(wire: Wire) -> None:
    fine = event(error=None, base_resp={"status_code": 0, "status_msg": ""}, choices=[delta("x")])
    tap, out = run(wire, fine)
    assert (out, tap.error) == (fine, None)


def test_a_status_in_the_body_is_an_error(wire: Wire) -> None:
    with pytest.raises(UpstreamRateLimited):
        run(wire, event(base_resp={"status_code": 1002, "status_msg": "rate limit"}))


# Odd bytes


@pytest.mark.parametrize(
    ("odd", "passes"),
    [
        (b"data: 7\n\n", True),
        (b'data: {"choices":[{"delta":{}, "finish_reason": 7}]}\n\n', True),
        (b"data: {not json}\n\n", False),
        (b'data: {"choices":[],"model":"\xff"}\n\n', False),
        (b"data: " + b"[" * 100_000 + b"\n\n", False),
        (b"data: \n\n", False),
    ],
)
def test_an_event_that_cannot_be_read_is_counted_and_passed_on_if_it_is_json(
    wire: Wire, odd: bytes, *, passes: bool
) -> None:
    tap, out = run(wire, HELLO, odd, STOP, DONE)
    assert out == HELLO + odd * passes + STOP + DONE
    assert tap.malformed == 1
    assert tap.complete


def test_a_last_event_without_its_blank_line_is_completed(wire: Wire) -> None:
    tap, out = run(wire, HELLO, DONE[:-1])
    assert out == HELLO + DONE
    assert tap.done
    tap, out = run(wire, HELLO, STOP[:-2])
    assert out == HELLO + STOP + DONE
    assert tap.complete


def test_a_last_usage_event_without_its_blank_line_is_withheld_too(wire: Wire) -> None:
    tap, out = run(wire, HELLO, STOP, USAGE[:-2])
    assert out == HELLO + STOP + DONE
    assert tap.answer().usage == Usage(9, 2)


@pytest.mark.parametrize("torn", [b'data: {"choi', b": ping", b"data", b"data: [DON"])
def test_a_torn_event_is_dropped(wire: Wire, torn: bytes) -> None:
    tap, out = run(wire, HELLO, torn)
    assert out == HELLO
    assert not tap.complete


def test_an_event_without_end_is_garbled(wire: Wire) -> None:
    tap = StreamTap(wire, withhold_usage=True)
    piece = b"data: " + b"x" * (EVENT_LIMIT // 4)
    for _ in range(3):
        tap.feed(piece)
    with pytest.raises(UpstreamGarbled):
        tap.feed(piece)


@pytest.mark.parametrize(
    "empty", [b"", event(), event(choices=[]), event(choices=[], usage={"prompt_tokens": 9})]
)
def test_an_end_without_an_answer_is_garbled(wire: Wire, empty: bytes) -> None:
    tap = StreamTap(wire, withhold_usage=True)
    tap.feed(empty)
    assert not tap.started
    with pytest.raises(UpstreamGarbled):
        tap.feed(DONE)


@pytest.mark.parametrize("few", [ROLE, event(choices=[delta(finish="content_filter")])])
def test_an_empty_answer_is_an_answer(wire: Wire, few: bytes) -> None:
    tap, _ = run(wire, event(choices=[]), few, USAGE, DONE)
    assert tap.complete


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes], bytes]:
    """A stream, its bytes as they arrive, and what of it may be forwarded."""
    eol = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    texts = draw(st.lists(st.text(max_size=9), max_size=5))
    events = [event(eol, choices=[delta(text)]) for text in texts]
    for place in draw(st.lists(st.integers(0, len(events)), max_size=2)):
        events.insert(place, f": ping{eol}{eol}".encode())
    events.append(event(eol, choices=[delta(finish="stop")]))
    usage = event(eol, choices=[], usage={"prompt_tokens": 1, "completion_tokens": 1})
    done = f"data: [DONE]{eol}{eol}".encode()
    stream = b"".join(events) + usage + done
    places = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    bounds = [0, *places, len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(bounds)]
    return stream, chunks, b"".join(events) + done


@settings(deadline=None)
@given(case=streams())
def test_no_split_of_the_bytes_makes_a_difference(
    wire: Wire, case: tuple[bytes, list[bytes], bytes]
) -> None:
    stream, chunks, forwarded = case
    tap, out = run(wire, *chunks)
    assert out == forwarded
    assert tap.complete
    assert tap.answer().usage == Usage(1, 1)
    assert run(wire, *chunks, withhold=False)[1] == stream
