"""What the lab says: numbered words, the rest of an answer, calls and structured answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from federation.errors import FederationError
from federation.sandbox import asking, lab_refusals
from federation.sandbox.asking import Asked
from federation.sandbox.lab_plays import Play
from federation.sandbox.lab_voices import (
    VOICES,
    answer,
    continuation,
    count_tokens,
    find_voice,
    numbered,
    place_after,
    rest_of,
)

FULL = numbered("w")
BEGUN = " ".join(FULL.split()[:40])
REST = FULL[len(BEGUN) :]


def asked(*turns: tuple[str, str], **members: Any) -> Asked:
    talk = [{"role": role, "content": text} for role, text in turns or (("user", "Count."),)]
    return asking.read(json.dumps({"model": "lab-same", "messages": talk} | members).encode())


def said(voice: str, asked: Asked, tokens: int = 60) -> str:
    (choice,) = answer(asked, VOICES[voice], tokens, 1).choices
    return "".join(choice.pieces)


PREFILL = asked(("user", "Count."), ("assistant", BEGUN))
PROMPT = asked(("user", "Count."), ("assistant", BEGUN), ("user", "Go on."))
QUOTED = asked(("user", f"Somebody wrote: {BEGUN}\nGo on."))


def test_sixty_numbered_words_are_sixty_tokens() -> None:
    assert said("lab-same", asked()) == FULL
    assert FULL.startswith("w01 w02 ")
    assert FULL.endswith(" w60")
    (choice,) = answer(asked(), VOICES["lab-same"], 60, 1).choices
    assert len(choice.pieces) == 60
    assert choice.finish == "stop"


@pytest.mark.parametrize(
    ("voice", "asked", "wanted"),
    [
        ("lab-prefill", PREFILL, REST),
        ("lab-prefill", PROMPT, REST),
        ("lab-prefill", QUOTED, REST),
        ("lab-other", PROMPT, REST),
        ("lab-other", QUOTED, REST),
        ("lab-repeats", PROMPT, "w38 w39 w40" + REST),
        ("lab-ignores", PREFILL, FULL),
        ("lab-same", PROMPT, FULL),
        ("lab-deaf", PROMPT, numbered("x")),
        ("lab-other", asked(), numbered("x")),
    ],
)
def test_voices_differ_in_what_they_make_of_an_answer_that_was_begun(
    voice: str, asked: Asked, wanted: str
) -> None:
    assert said(voice, asked) == wanted


def test_an_answer_that_was_whole_has_no_rest() -> None:
    whole = asked(("user", "Count."), ("assistant", FULL))
    assert said("lab-prefill", whole) == ""


def test_the_rest_begins_within_a_word_where_the_beginning_ends_there() -> None:
    assert rest_of(FULL, "w01 w") == FULL[5:]


def test_a_limit_is_obeyed_and_told() -> None:
    (choice,) = answer(asked(max_tokens=3), VOICES["lab-same"], 60, 1).choices
    assert ("".join(choice.pieces), choice.finish) == ("w01 w02 w03", "length")


def test_an_offered_tool_is_called_with_the_numbered_words() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "note", "parameters": schema}}
    script = answer(asked(tools=[tool]), VOICES["lab-same"], 60, 1)
    (choice,) = script.choices
    ((_, name, arguments),) = choice.calls
    assert (name, choice.finish) == ("note", "tool_calls")
    assert json.loads(arguments)["s"] == FULL
    assert "".join(choice.pieces) == arguments
    none = answer(asked(tools=[tool], tool_choice="none"), VOICES["lab-same"], 60, 1)
    assert none.choices[0].calls == ()


def test_a_structured_answer_follows_the_schema_and_can_be_gone_on_with() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    whole = said("lab-prefill", asked(response_format=form))
    assert json.loads(whole) == {"text": FULL}
    begun = whole[: place_after(whole.encode(), 20)]
    more = asked(("user", "Count."), ("assistant", begun), response_format=form)
    assert begun + said("lab-prefill", more) == whole


@pytest.mark.parametrize("name", ["lab-none", "sim-atlas", "lab", "lab-same-", "lab-same-0", ""])
def test_other_names_are_nobody(name: str) -> None:
    assert find_voice(name) is None


def test_a_name_may_hold_the_length() -> None:
    found = find_voice("lab-same-200")
    assert found is not None
    assert found[1] == 200
    assert count_tokens(said("lab-same", asked(), 200).encode()) == 200


def test_what_is_begun_is_told_apart_from_what_is_asked() -> None:
    assert continuation(asked()).kind == ""
    assert continuation(PREFILL).kind == "prefill"
    assert continuation(PROMPT).kind == "prompt"
    assert continuation(QUOTED).kind == "prompt"
    assert continuation(replace(PREFILL, turns=())).kind == ""


def refused(voice: str, asked: Asked, play: Play | None = None, dialect: str = "openai") -> str:
    error = lab_refusals.refusal(play or Play(), dialect, asked, VOICES[voice])
    return "" if error is None else f"{error.status} {error.message}"


def test_voices_refuse_what_they_cannot_take() -> None:
    assert refused("lab-same", PREFILL).startswith("400 this model does not support assistant")
    assert refused("lab-prefill", PREFILL) == ""
    assert refused("lab-ignores", PREFILL) == ""
    long = asked(("user", "word " * 1_200))
    assert "maximum context length is 1000" in refused("lab-small", long)
    assert refused("lab-same", long) == ""
    spaced = asked(("user", "Count."), ("assistant", "w01 "))
    assert "trailing whitespace" in refused("lab-prefill", spaced, dialect="anthropic")
    assert refused("lab-prefill", spaced, dialect="gemini") == ""


def test_a_status_is_worded_with_its_pause() -> None:
    error = lab_refusals.status_error(429, 2.0)
    assert isinstance(error, FederationError)
    assert (error.status, error.code, error.retry_after_s) == (429, "rate_limit_exceeded", 2.0)
