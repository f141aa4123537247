from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from federation.telemetry import logs
from federation.telemetry.logs import REDACTED, JsonFormatter, redact

log = logging.getLogger("federation.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    out = io.StringIO()
    logs.configure("worker", "debug", stream=out)
    yield out
    root.handlers[:], level, logging.raiseExceptions = before
    root.setLevel(level)


def test_a_line_is_one_json_object_with_its_extras(stream: io.StringIO) -> None:
    log.info("call ended", extra={"request_id": "call_1", "ms": 1.5, "ok": True, "none": None})
    line = json.loads(stream.getvalue())
    assert line["ts"].endswith("+00:00")
    assert line | {"ts": ""} == {
        "ts": "",
        "level": "info",
        "logger": "federation.test",
        "process": "worker",
        "message": "call ended",
        "request_id": "call_1",
        "ms": 1.5,
        "ok": True,
        "none": None,
    }


@pytest.mark.parametrize(
    "secret",
    [
        "fed_0tg1KF-q-x-g3EGsL1nHUW7BPmmvHX",
        "Bearer abcdefgh12345678",
        "https://host/v1?key=abc123secret&x=1",
        "https://user:hunter22@host/v1",
        "redis://:hunter22@host/0",
        "Basic dXNlcjpodW50ZXIyMg==",
        "sk-proj-abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE1",
        "hvs.CAESIJlWh0abcdefghijklmnop",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc-def",
    ],
)
def test_what_looks_like_a_secret_never_reaches_the_log(stream: io.StringIO, secret: str) -> None:
    try:
        raise ValueError(f"cannot use {secret}")
    except ValueError:
        log.exception("failed with %s", secret, extra={"detail": f"was {secret}"})
    for part in ("0tg1KF", "abcdefgh", "abc123", "hunter22", "IOSFODNN", "eyJzdWIi"):
        assert part not in stream.getvalue()
    assert REDACTED in stream.getvalue()


@pytest.mark.parametrize(
    "name",
    ["authorization", "api_key", "X-API-Key", "secret", "master_key", "access_token", "prompt",
     "content", "messages", "cookie"],
)  # fmt: skip
def test_fields_that_hold_secrets_or_content_are_not_written(
    stream: io.StringIO, name: str
) -> None:
    log.info("seen", extra={name: "plain words", "nested": {name: ["plain words"]}})
    assert "plain words" not in stream.getvalue()


def test_counts_of_tokens_and_names_of_keys_are_written(stream: io.StringIO) -> None:
    log.info("seen", extra={"input_tokens": 17, "key": "key_1", "many": ["a", 2]})
    line = json.loads(stream.getvalue())
    assert (line["input_tokens"], line["key"], line["many"]) == (17, "key_1", ["a", 2])


def test_a_name_that_is_no_text_is_written_all_the_same(stream: io.StringIO) -> None:
    logging.getLogger("x").warning("a file", extra={"path": Path(os.fsdecode(b"a\xff"))})
    assert json.loads(stream.getvalue())["path"] == "a?"


def test_a_stack_is_written_under_its_line(stream: io.StringIO) -> None:
    try:
        raise KeyError("missing")
    except KeyError:
        log.exception("failed")
    line = json.loads(stream.getvalue())
    assert "KeyError: 'missing'" in line["exception"]


def test_the_console_form_says_the_same_to_people() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    out = io.StringIO()
    logs.configure("control", "info", "console", out)
    try:
        log.debug("not this")
        log.warning("slow", extra={"ms": 7, "api_key": "plain words"})
        try:
            raise ValueError("sk-abcdefghijklmnop123456")
        except ValueError:
            log.exception("failed")
    finally:
        root.handlers[:], level, logging.raiseExceptions = before
        root.setLevel(level)
    said = out.getvalue()
    assert "warning control federation.test: slow ms=7 api_key=[redacted]" in said
    assert "not this" not in said
    assert "ValueError: [redacted]" in said


ANY = st.text(st.characters())
"""Halves of surrogate pairs, too, which no file can hold."""


@settings(deadline=None)
@given(st.dictionaries(ANY, st.one_of(st.floats(), st.binary(), ANY)))
@example({"\ud800": 1.0})
def test_any_extra_is_rendered_as_json(extra: dict[str, object]) -> None:
    record = logging.makeLogRecord({"msg": "m", "levelname": "INFO"} | {"x": extra})
    json.loads(JsonFormatter("worker").format(record))


@settings(deadline=None)
@given(st.text(alphabet="abc .,/", max_size=60))
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text
