"""From a client's body to a provider's request, for every kind of row."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from federation.dialects.openai.encode import encode
from federation.dialects.openai.forward import dropped_fields, forward
from federation.dialects.openai.glance import glance
from federation.dialects.openai.parse import parse
from federation.dialects.openai.wire import Wire
from federation.domain.catalogue import Auth
from federation.domain.routes import Settings
from federation.schema.http import ClientRequest, WireRequest

MakeWire = Callable[..., Wire]
MakeRequest = Callable[..., ClientRequest]
SECRET = "sk-very-secret-0123456789"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def send(make_request: MakeRequest, make_wire: MakeWire) -> Callable[..., dict[str, Any]]:
    """The body that a row with these quirks gets for these fields."""

    def upstream(
        quirks: dict[str, object] | None = None, settings: Settings | None = None, **fields: Any
    ) -> dict[str, Any]:
        body = json.dumps({"model": "chat", "messages": HELLO, **fields}).encode()
        wire = make_wire(quirks=quirks, settings=settings)
        request = forward(wire, glance(make_request(body)), body)
        parsed = json.loads(request.body)
        assert isinstance(parsed, dict)
        return parsed

    return upstream


Send = Callable[..., dict[str, Any]]


def test_only_the_models_name_changes(make_request: MakeRequest, make_wire: MakeWire) -> None:
    body = b'{ "messages" : [ {"role":"user","content":"\\u0068i"} ] ,"model":"chat", "x":1e2 }'
    request = forward(make_wire(), glance(make_request(body)), body)
    assert request.body == body.replace(b'"chat"', b'"acme-large"')


def test_a_missing_model_is_put_in(send: Send) -> None:
    assert send(model=None)["model"] == "acme-large"


def test_our_own_object_never_reaches_a_provider(send: Send) -> None:
    assert "federation" not in send(federation={"tags": {"a": "b"}})


def test_unknown_fields_are_forwarded(send: Send) -> None:
    assert send(frobnicate=[1])["frobnicate"] == [1]


# Usage in streams


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({}, {"include_usage": True}),
        ({"stream_options": None}, {"include_usage": True}),
        ({"stream_options": {}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": True}),
        (
            {"stream_options": {"include_obfuscation": False}},
            {"include_obfuscation": False, "include_usage": True},
        ),
    ],
)
def test_usage_is_asked_for_in_streams(
    send: Send, options: dict[str, Any], result: dict[str, Any]
) -> None:
    assert send(stream=True, **options)["stream_options"] == result


def test_usage_is_not_asked_for_where_it_comes_anyway_or_is_refused(send: Send) -> None:
    assert "stream_options" not in send()
    assert "stream_options" not in send({"stream_usage": "always"}, stream=True)
    assert "stream_options" not in send({"stream_usage": "x_groq"}, stream=True)
    assert "stream_options" not in send({"drop": ["stream_options"]}, stream=True)
    asked = {"include_usage": True}
    assert "stream_options" not in send({"stream_usage": "none"}, stream=True, stream_options=asked)
    assert send({"stream_usage": "always"}, stream=True, stream_options=asked)[
        "stream_options"
    ] == (asked)


# Quirks


def test_the_output_limit_gets_the_name_that_the_row_takes(send: Send) -> None:
    older = {"output_limit_field": "max_tokens"}
    newer = {"output_limit_field": "max_completion_tokens"}
    assert send(older, max_completion_tokens=7)["max_tokens"] == 7
    assert "max_completion_tokens" not in send(older, max_completion_tokens=7)
    assert send(newer, max_tokens=7)["max_completion_tokens"] == 7
    both = send(newer, max_tokens=7, max_completion_tokens=9)
    assert both["max_completion_tokens"] == 9
    assert "max_tokens" not in both
    assert send(max_tokens=7)["max_tokens"] == 7


def test_renames_drops_defaults_and_sets_are_the_rows(send: Send) -> None:
    quirks: dict[str, object] = {
        "rename": {"seed": "random_seed"},
        "drop": ["logprobs", "top_logprobs"],
        "default": {"reasoning_split": True, "top_p": 0.5},
        "set": {"safe": {"on": True}},
        "single_choice": True,
    }
    got = send(quirks, seed=3, logprobs=True, top_p=0.9, n=2)
    assert got["random_seed"] == 3
    assert got["top_p"] == 0.9
    assert got["reasoning_split"] is True
    assert got["safe"] == {"on": True}
    assert not {"seed", "logprobs", "n"} & got.keys()


def test_a_row_without_sampling_loses_all_of_it(send: Send) -> None:
    got = send({"sampling": "drop"}, temperature=0.1, top_p=0.2, presence_penalty=1, stop="x")
    assert got.keys() == {"model", "messages", "stop"}


def test_a_row_that_takes_few_fields_gets_few(send: Send) -> None:
    quirks: dict[str, object] = {"accepts_only": ["stream", "tools"]}
    settings = Settings(max_tokens_default=5)
    got = send(quirks, settings, stream=True, temperature=1, federation={})
    assert got == {"model": "acme-large", "messages": HELLO, "stream": True}


@pytest.mark.parametrize("accepted", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("said", ["max_tokens", "max_completion_tokens"])
def test_an_accepted_field_may_be_named_by_either_of_its_names(
    make_request: MakeRequest, make_wire: MakeWire, accepted: str, said: str
) -> None:
    wire = make_wire(quirks={"accepts_only": [accepted], "output_limit_field": "max_tokens"})
    body = json.dumps({"model": "chat", "messages": HELLO, said: 5}).encode()
    request = make_request(body)
    seen = glance(request)
    wanted = {"model": "acme-large", "messages": HELLO, "max_tokens": 5}
    assert json.loads(forward(wire, seen, body).body) == wanted
    assert dropped_fields(wire, seen) == ()
    encoded = encode(wire, parse(request, seen))
    assert json.loads(encoded.request.body) == wanted
    assert encoded.losses == ()


def test_a_models_quirk_goes_before_its_providers(make_wire: MakeWire) -> None:
    wire = make_wire(
        quirks={"output_limit_field": "max_tokens", "stream_usage": "always"},
        model_quirks={"output_limit_field": "max_completion_tokens"},
    )
    assert wire.rename == {"max_tokens": "max_completion_tokens"}
    assert not wire.stream_option


def test_dropped_fields_are_named_for_the_warning(
    make_request: MakeRequest, make_wire: MakeWire
) -> None:
    body = json.dumps({"messages": HELLO, "temperature": 1, "n": 2, "federation": {}}).encode()
    seen = glance(make_request(body))
    assert dropped_fields(make_wire(quirks={"sampling": "drop"}), seen) == ("temperature",)
    assert dropped_fields(make_wire(quirks={"accepts_only": ["stream"]}), seen) == (
        "temperature",
        "n",
    )
    assert dropped_fields(make_wire(), seen) == ()


# Defaults of the operator


def test_the_operators_defaults_fill_gaps_only(send: Send) -> None:
    settings = Settings(max_tokens_default=100, temperature_default=0.3)
    got = send(None, settings)
    assert (got["max_tokens"], got["temperature"]) == (100, 0.3)
    got = send(None, settings, max_completion_tokens=5, temperature=1)
    assert "max_tokens" not in got
    assert got["temperature"] == 1
    newer = send({"output_limit_field": "max_completion_tokens"}, settings)
    assert newer["max_completion_tokens"] == 100
    assert "max_tokens" not in newer
    older = send({"output_limit_field": "max_tokens"}, settings, max_completion_tokens=5)
    assert older["max_tokens"] == 5
    assert "temperature" not in send({"sampling": "drop"}, settings)


# Address and headers


@pytest.mark.parametrize(
    ("base_url", "quirks", "origin", "target"),
    [
        ("https://api.acme.test/v1", {}, ("https", "api.acme.test", 443), "/v1/chat/completions"),
        ("https://api.acme.test/v1/", {}, ("https", "api.acme.test", 443), "/v1/chat/completions"),
        ("http://127.0.0.1:9401", {}, ("http", "127.0.0.1", 9401), "/chat/completions"),
        ("http://[::1]:80/v1", {}, ("http", "::1", 80), "/v1/chat/completions"),
        ("https://x.test/a b", {}, ("https", "x.test", 443), "/a%20b/chat/completions"),
        ("https://x.test", {"path": "/ask"}, ("https", "x.test", 443), "/ask"),
        ("https://x.test", {"path": {"chat": "/c"}}, ("https", "x.test", 443), "/c"),
        (
            "https://x.test",
            {"query": {"api-version": 1}},
            ("https", "x.test", 443),
            "/chat/completions?api-version=1",
        ),
    ],
)
def test_the_address_is_read_once(
    make_wire: MakeWire,
    base_url: str,
    quirks: dict[str, object],
    origin: tuple[str, str, int],
    target: str,
) -> None:
    wire = make_wire(base_url=base_url, quirks=quirks, private=True)
    assert (wire.origin.scheme, wire.origin.host, wire.origin.port) == origin
    assert wire.origin.private
    assert wire.target == target


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://x.test",
        "/v1",
        "https://",
        "https://user:pass@x.test",
        "https://{region}.x.test",
        "https://x.test/v1?key=1",
        "https://x.test:99999",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(make_wire: MakeWire, base_url: str) -> None:
    with pytest.raises(ValueError, match=r"base address|Port") as caught:
        make_wire(base_url=base_url)
    assert "pass" not in str(caught.value)


def test_a_request_is_signed_and_says_what_it_accepts(
    make_request: MakeRequest, make_wire: MakeWire
) -> None:
    wire = make_wire(
        auth=Auth(extra={"X-Title": "Federation"}),
        headers=((b"authorization", f"Bearer {SECRET}".encode()),),
        query="key=1",
        secret=SECRET,
    )

    def request(stream: bool) -> WireRequest:
        body = json.dumps({"messages": HELLO, "stream": stream}).encode()
        return forward(wire, glance(make_request(body)), body)

    whole, streamed = request(stream=False), request(stream=True)
    assert whole.method == "POST"
    assert whole.target == "/v1/chat/completions?key=1"
    headers = dict(whole.headers)
    assert headers[b"authorization"] == f"Bearer {SECRET}".encode()
    assert headers[b"x-title"] == b"Federation"
    assert headers[b"accept"] == b"application/json"
    assert headers[b"accept-encoding"] == b"identity"
    assert dict(streamed.headers)[b"accept"] == b"text/event-stream"
    assert SECRET not in repr(wire)


@pytest.mark.parametrize("extra", [{"x": "a\r\nb"}, {"x\n": "a"}, {"é": "a"}])
def test_a_constant_header_with_a_line_break_is_refused(
    make_wire: MakeWire, extra: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="constant header"):
        make_wire(auth=Auth(extra=extra))


def test_odd_quirks_of_an_operator_change_nothing(send: Send) -> None:
    odd: dict[str, object] = {"rename": ["a"], "drop": "x", "path": 7, "throttle_status": 1}
    assert send(odd, x=1)["x"] == 1
