"""The pass-through lets through what a row lists, as it was judged, and nothing else."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.dialects.operations import passthrough
from federation.dialects.operations.passthrough import Passage, Passages, admit, build, prepare
from federation.dialects.operations.passthrough_rules import read_rules
from federation.domain.catalogue import Auth, Provider, Tier
from federation.errors import (
    CallerError,
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    UnsupportedMedia,
    UpstreamGarbled,
)
from federation.schema.http import ClientRequest

SECRET = "sk-upstream-secret"
RULES: list[dict[str, Any]] = [
    {"method": ["GET"], "path": "/files/{file_id}", "price": "free", "query": ["limit", "after"]},
    {"method": ["POST"], "path": "/files", "price": 0, "body": "any", "creates": "id"},
    {"method": ["DELETE", "GET"], "path": "/files/latest", "price": "0.000001", "filter": "none"},
    {
        "method": "POST",
        "path": "/fine_tuning/jobs",
        "price": "0.25",
        "body": "json",
        "fields": ["model", "training_file"],
        "headers": ["OpenAI-Beta"],
        "creates": "id",
    },
    {"method": ["POST"], "path": "/models/{name}:tune", "price": "free"},
    {"method": ["GET"], "path": "/videos", "body": "none"},
]
RULES[4]["path"] = "/tuned/{name}/run:now"


def row(rules: Any = None, base_url: str = "https://api.acme.test/v1", **quirks: Any) -> Provider:
    return Provider(
        "acme",
        "Acme",
        Tier.FRONTIER,
        "openai",
        base_url,
        auth=Auth(extra={"x-version": "2"}),
        quirks={"passthrough": RULES if rules is None else rules, **quirks},
    )


PASSAGES: Passages = prepare(
    row(), headers=((b"authorization", f"Bearer {SECRET}".encode()),), secret=SECRET
)


def ask(
    path: str,
    method: str = "GET",
    *,
    query: str = "",
    body: bytes = b"",
    headers: dict[bytes, bytes] | None = None,
    prefix: str = "/passthrough/acme",
) -> Passage:
    return admit(PASSAGES, ClientRequest(method, prefix + path, query, headers or {}, body))


def test_a_listed_path_is_let_through_with_its_ids_and_price() -> None:
    passage = ask("/files/file-a.b~1", query="limit=5&after=x%20%C3%A9")
    assert (passage.path, passage.ids, passage.price_nano) == (
        "/files/file-a.b~1",
        {"file_id": "file-a.b~1"},
        0,
    )
    sent = build(PASSAGES, passage)
    assert sent.target == "/v1/files/file-a.b~1?limit=5&after=x%20%C3%A9"
    assert (sent.method, sent.origin.host) == ("GET", "api.acme.test")
    headers = dict(sent.headers)
    assert headers[b"authorization"] == f"Bearer {SECRET}".encode()
    assert headers[b"x-version"] == b"2"
    assert headers[b"accept-encoding"] == b"identity"


def test_a_literal_path_wins_over_a_placeholder() -> None:
    assert ask("/files/latest").rule.names == ()
    assert ask("/files/latest").price_nano == 1_000
    assert ask("/files/latest", "DELETE").method == "DELETE"


def test_a_path_without_a_price_cannot_be_called() -> None:
    with pytest.raises(Forbidden) as caught:
        ask("/videos")
    assert caught.value.code == "unknown_price"


def test_a_list_of_everybodys_objects_is_refused_unless_the_row_filters_it() -> None:
    rules = [
        {"method": ["GET", "POST"], "path": "/all", "price": "free"},
        {"method": "GET", "path": "/of", "price": "free", "query": ["in[]", "n"], "filter": "in[]"},
        {"method": "GET", "path": "/voices", "price": "free", "filter": "none"},
    ]
    passages = prepare(row(rules=rules))

    def ask(method: str, path: str, query: str = "") -> None:
        admit(passages, ClientRequest(method, f"/passthrough/acme/{path}", query, {}, b""))

    for path, query in (("all", ""), ("of", ""), ("of", "n=1")):
        with pytest.raises(Forbidden, match="everybody"):
            ask("GET", path, query)
    ask("POST", "all")
    ask("GET", "of", "in[]=x")
    ask("GET", "voices")
    assert read_rules(rules)[1].ids == {"in[]"}


def test_another_method_is_refused() -> None:
    for method in ("PUT", "POST", "HEAD", "OPTIONS", "CONNECT", "TRACE", "get"):
        with pytest.raises(MethodNotAllowed):
            ask("/files/f-1", method)


HOSTILE = [
    "/files/..",
    "/files/.",
    "/files/../files/x",
    "/../files/x",
    "/files/...",
    "/files//x",
    "//files/x",
    "/files/x/",
    "/files/",
    "/files/%2e%2e",
    "/files/%252e",
    "/files/a%2Fb",
    "/files/a\\b",
    "/files/..\\..",
    "/files/a;b=c",
    "/files/a?b",
    "/files/a#b",
    "/files/a b",
    "/files/a\x00",
    "/files/a\r\nb",
    "/files/ａ",
    "/files/ ",
    "/files/{file_id}",
    "/files/*",
    "/http://evil.test/",
    "/https:/evil.test",
    "/files/" + "a" * 200,
    "/" + "/".join("a" * 30),
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_could_be_read_in_two_ways_is_refused(path: str) -> None:
    with pytest.raises((InvalidRequest, Forbidden)) as caught:
        ask(path)
    assert caught.value.code in ("invalid_path", "path_not_listed")


@pytest.mark.parametrize("path", ["/files/%2e%2e", "/a/%5c", "/files/x%00", "/files/..%2f"])
def test_what_is_hidden_by_an_encoding_is_seen(path: str) -> None:
    with pytest.raises((InvalidRequest, Forbidden)):
        ask(unquote(path))


@pytest.mark.parametrize(
    "path",
    ["/organization/costs", "/files/API_KEYS", "/admin", "/projects/p/users", "/oauth/token"],
)
def test_administration_is_never_let_through(path: str) -> None:
    with pytest.raises(Forbidden):
        ask(path)
    with pytest.raises(ValueError, match="cannot be let through"):
        read_rules([{"method": "GET", "path": path, "price": "free"}])


@pytest.mark.parametrize(
    "path",
    ["/passthrough/acme", "/passthrough//files", "/passthrough/A/x", "/passthrough", "/v1/x"],
)
def test_a_path_that_names_no_provider_is_not_there(path: str) -> None:
    with pytest.raises(NotFound):
        ask("", prefix=path)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=1&limit=2", InvalidRequest),
        ("lim%69t=1", InvalidRequest),
        ("limit=1;after=2", InvalidRequest),
        ("limit=%ff", InvalidRequest),
        ("limit=a%0d%0ab", InvalidRequest),
        ("limit=" + "a" * 2000, InvalidRequest),
        ("&", InvalidRequest),
        ("=1", InvalidRequest),
        ("key=1", Forbidden),
        ("other=1", Forbidden),
        ("Limit=1", Forbidden),
    ],
)
def test_only_listed_query_parameters_go_on(query: str, error: type[CallerError]) -> None:
    with pytest.raises(error):
        ask("/files/f", query=query)


def test_headers_go_on_by_name_only() -> None:
    given = {
        b"accept": b"application/json",
        b"content-type": b"application/json",
        b"openai-beta": b"x",
        b"authorization": b"Bearer vk",
        b"x-api-key": b"vk",
        b"x-goog-api-key": b"vk",
        b"cookie": b"a=b",
        b"host": b"evil.test",
        b"connection": b"x-secret",
        b"x-forwarded-for": b"1.2.3.4",
        b"forwarded": b"for=1.2.3.4",
        b"x-federation-session": b"s",
        b"x-http-method-override": b"DELETE",
        b"x-amz-security-token": b"t",
        b"openai-organization": b"o",
        b"x-anything": b"1",
        b"transfer-encoding": b"chunked",
        b"user-agent": b"me",
    }
    passage = ask("/fine_tuning/jobs", "POST", body=b"{}", headers=given)
    assert dict(passage.headers) == {
        b"accept": b"application/json",
        b"content-type": b"application/json",
        b"openai-beta": b"x",
    }
    assert passage.ask.session == "s"
    names = [name for name, _ in build(PASSAGES, passage).headers]
    assert len(names) == len(set(names))


JSON = {b"content-type": b"application/json; charset=utf-8"}


def test_a_body_of_json_is_looked_into() -> None:
    body = b'{"model":"m","training_file":"f","store":true,"x":1,"federation":{"tags":{"a":"b"}}}'
    passage = ask("/fine_tuning/jobs", "POST", body=body, headers=JSON)
    assert passage.body == b'{"model":"m","training_file":"f","store":true,"x":1}'
    assert (passage.model, passage.ask.tags) == ("m", {"a": "b"})
    assert (passage.governed, passage.unlisted) == (("store",), ("store", "x"))
    assert passage.price_nano == 250_000_000


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        (b'{"model":"a","model":"b"}', JSON, InvalidRequest),
        (b'{"model":1}', JSON, InvalidRequest),
        (b"[]", JSON, InvalidRequest),
        (b"{", JSON, InvalidRequest),
        (b"a=b", {b"content-type": b"application/x-www-form-urlencoded"}, UnsupportedMedia),
        (b"{}", {}, UnsupportedMedia),
    ],
)
def test_another_body_is_refused(
    body: bytes, headers: dict[bytes, bytes], error: type[CallerError]
) -> None:
    with pytest.raises(error):
        ask("/fine_tuning/jobs", "POST", body=body, headers=headers)


def test_a_body_is_taken_only_where_a_rule_says_so() -> None:
    with pytest.raises(InvalidRequest, match="no body"):
        ask("/files/f", body=b"x")
    assert ask("/files", "POST", body=b"x").unlisted == ("body",)
    assert ask("/files", "POST").unlisted == ()


def test_headers_come_back_by_name_only() -> None:
    given = {
        b"content-type": b"text/html",
        b"set-cookie": b"a=b",
        b"www-authenticate": b"Basic",
        b"authorization": b"x",
        b"connection": b"close",
        b"content-length": b"3",
        b"location": b"https://x",
        b"openai-organization": b"o",
        b"x-ratelimit-remaining-requests": b"1",
        b"x-federation-call-id": b"x",
        b"access-control-allow-origin": b"*",
        b"retry-after": b"3",
        b"x-request-id": b"r",
    }
    assert dict(passthrough.returned_headers(200, given)) == {
        b"content-type": b"application/octet-stream",
        b"retry-after": b"3",
        b"x-request-id": b"r",
        b"x-content-type-options": b"nosniff",
    }
    for status in (301, 302, 303, 307, 308):
        with pytest.raises(UpstreamGarbled):
            passthrough.returned_headers(status, given)


def test_the_id_of_a_new_object_is_read() -> None:
    passage = ask("/files", "POST", body=b"x")
    assert passthrough.created_id(passage, {}, b'{"id":"file-1","x":1}') == "file-1"
    assert passthrough.created_id(ask("/files/f"), {}, b"") == ""
    for body in (b"", b"{}", b'{"id":3}', b"[]"):
        with pytest.raises(UpstreamGarbled):
            passthrough.created_id(passage, {}, body)


@pytest.mark.parametrize(
    "rule",
    [
        "GET /x",
        {"path": "/x", "price": "free"},
        {"method": ["CONNECT"], "path": "/x"},
        {"method": "GET", "path": "x"},
        {"method": "GET", "path": "/x/../y"},
        {"method": "GET", "path": "/x/"},
        {"method": "GET", "path": "/x/*"},
        {"method": "GET", "path": "/x/{a}/{a}"},
        {"method": "GET", "path": "/x/a{b}"},
        {"method": "GET", "path": "/x", "price": "-1"},
        {"method": "GET", "path": "/x", "price": 0.1},
        {"method": "GET", "path": "/x", "price": True},
        {"method": "GET", "path": "/x", "price": "NaN"},
        {"method": "GET", "path": "/x", "price": "1e9"},
        {"method": "GET", "path": "/x", "body": "json"},
        {"method": "POST", "path": "/x", "body": "form"},
        {"method": "GET", "path": "/x", "query": ["api_key"]},
        {"method": "GET", "path": "/x", "headers": ["Authorization"]},
        {"method": "GET", "path": "/x", "headers": ["x-forwarded-host"]},
        {"method": "GET", "path": "/x", "creates": 3},
        {"method": "GET", "path": "/x", "unknown": 1},
        {"method": "GET", "path": "/x", "query": [1]},
        {"method": "GET", "path": "/x", "ids": ["after"]},
        {"method": "GET", "path": "/x", "filter": "file"},
        {"method": "GET", "path": "/x", "filter": ["file"], "query": ["file"]},
    ],
)
def test_a_rule_that_cannot_be_let_through_is_named(rule: Any) -> None:
    with pytest.raises(ValueError, match=r"passthrough\[1\]"):
        read_rules([RULES[0], rule])


def test_a_row_without_rules_lets_nothing_through() -> None:
    assert read_rules(None) == ()
    empty = prepare(row(rules=[]))
    with pytest.raises(Forbidden):
        admit(empty, ClientRequest("GET", "/passthrough/acme/files/f", "", {}, b""))
    with pytest.raises(ValueError, match="must be a list"):
        prepare(row(rules={"method": "GET"}))


def test_query_terms_of_the_row_and_its_sign_in_stay() -> None:
    passages = prepare(row(query={"api-version": "1"}), query="key=secret", secret="secret-secret")
    asked = ClientRequest("GET", "/passthrough/acme/files/f", "limit=1", {}, b"")
    sent = build(passages, admit(passages, asked))
    assert sent.target == "/v1/files/f?key=secret&api-version=1&limit=1"
    assert "secret" not in repr(sent) + repr(passages) + repr(admit(passages, asked))


@settings(deadline=None, max_examples=300)
@given(
    st.text(alphabet="abf/.%\\;?#:@{}~ -_*é\n", max_size=20),
    st.text(alphabet="limitafter=&;%20+é", max_size=20),
    st.sampled_from(["GET", "POST", "DELETE"]),
)
def test_what_is_sent_never_leaves_the_listed_paths(path: str, query: str, method: str) -> None:
    asked = ClientRequest(method, f"/passthrough/acme/files/{path}", query, {}, b"")
    try:
        sent = build(PASSAGES, admit(PASSAGES, asked))
    except CallerError:
        return
    target = sent.target.partition("?")[0]
    assert target.startswith("/v1/files/")
    assert unquote(target) == f"/v1/files/{path}"
    assert target.count("/") == 3
