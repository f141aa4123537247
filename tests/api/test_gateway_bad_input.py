"""Requests that cannot be accepted as they stand: a 4xx that names the field, never a 500.

Every rig also asserts at its end that no bug was reported (`Gateway.faults`).
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from dataclasses import replace
from typing import Any

import httpx
import msgspec
import pytest
from gateway_rig import (
    CHAT,
    HELLO,
    answers,
    at_rest,
    eventually,
    refused,
    request_bytes,
    rig,
)
from inprocess import SECRET, Gateway
from scripted import Upstream
from shared_data import shared

from federation.dialects.openai.tables import FIELDS, GOVERNED
from federation.domain.access import Role
from federation.domain.routes import ListenerLimits, Settings

MESSAGES = b'"messages":[{"role":"user","content":"Hello"}]'
HEAD = b'{"model":"chat",' + MESSAGES


def with_field(name: str, value: bytes) -> bytes:
    """A good chat body with this member in front."""
    return b'{"%b":%b,%b' % (name.encode(), value, HEAD[1:]) + b"}"


def chat(**members: Any) -> bytes:
    return json.dumps(HELLO | members).encode()


async def post(client: httpx.AsyncClient, body: bytes, path: str = CHAT) -> httpx.Response:
    return await client.post(path, content=body, headers={"content-type": "application/json"})


def untouched(running: Gateway, upstream: Upstream) -> None:
    """No provider was asked; what was refused by a rule left its line, and nothing else."""
    assert upstream.seen == []
    assert {line.error for line in running.books.ended} <= {"governed_field", "unlisted_field"}
    assert {line.cost_nano for line in running.books.ended} <= {0}


async def test_fields_that_only_the_clients_language_knows_are_named_in_the_warning() -> None:
    async with rig(answers()) as (_, client, _):
        body = HELLO | {"max_tokens": 5, "wibble": 1, "wobble": {}}
        reply = await client.post("/v1/messages", json=body)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-federation-warning"] == "dropped: wibble, wobble"


# Real texts.


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["y", "n", "i"])
async def test_json_texts_as_the_value_of_an_unknown_field(kind: str) -> None:
    texts = sorted(shared("vectors/jsontestsuite/test_parsing").glob(f"{kind}_*.json"))
    assert texts
    async with rig(answers()) as (_, client, (upstream,)):
        for path in texts:
            text = path.read_bytes()
            upstream.seen.clear()
            body = HEAD + b',"x_unknown":' + text + b"}"
            reply = await post(client, body)
            if reply.status_code == 200:
                assert kind != "n", path.name
                forwarded = body.replace(b'"chat"', b'"acme-large"', 1)
                assert upstream.seen[0].body == forwarded, path.name
            else:
                assert kind != "y", (path.name, reply.text)
                error = refused(reply, 400, "invalid_json")
                assert re.search(r"byte \d+", error["message"]), (path.name, error)
                assert upstream.seen == []


@pytest.mark.real_data
async def test_json_texts_as_the_whole_body_are_never_a_fault() -> None:
    texts = sorted(shared("vectors/jsontestsuite").rglob("*.json"))
    async with rig(answers()) as (running, client, (upstream,)):
        for path in texts:
            refused(await post(client, path.read_bytes()), 400)
            refused(await post(client, path.read_bytes(), "/v1/route"), 400)
        untouched(running, upstream)


def naughty() -> list[str]:
    found: list[str] = json.loads(shared("vectors/blns/blns.json").read_text())
    return found


@pytest.mark.real_data
async def test_naughty_strings_as_content_arrive_unchanged() -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        for text in naughty():
            upstream.seen.clear()
            body = chat(messages=[{"role": "user", "content": text}])
            assert (await post(client, body)).status_code == 200, text
            assert upstream.seen[0].body == body.replace(b'"chat"', b'"acme-large"', 1)


@pytest.mark.real_data
async def test_naughty_strings_as_content_can_be_classified() -> None:
    async with rig(answers(), answers()) as (_, client, upstreams):
        for text in naughty():
            messages = [{"role": "user", "content": text}]
            raw = json.dumps({"messages": messages}, ensure_ascii=False).encode()
            assert (await post(client, raw)).status_code == 200, text
        contents = {
            seen.json["messages"][0]["content"] for upstream in upstreams for seen in upstream.seen
        }
        assert contents == set(naughty())


@pytest.mark.real_data
async def test_naughty_strings_in_other_places_are_refused_or_harmless() -> None:
    async with rig(answers()) as (_, client, _upstreams):
        for text in naughty()[::5]:
            reply = await post(client, chat(model=text))
            if text:
                refused(reply, 400 if len(text) > 256 else 404)
                refused(await post(client, chat(federation={"strategy": text})), 400)
            refused(await post(client, chat(messages=[{"role": text, "content": "x"}])), 400)
            refused(await post(client, chat(tools=[{"type": text}])), 403)
            spoken = {"session": text[:256], "user": text[:256], "tags": {text[:256]: text[:256]}}
            assert (await post(client, chat(federation=spoken))).status_code == 200
            reply = await post(client, chat(user=text[:500]))
            assert reply.status_code == 200


# Duplicates.


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (HEAD + b',"model":"other"}', "model"),
        (HEAD + rb',"mod\u0065l":"other"}', "model"),
        (rb'{"mode\u006c":"chat",' + MESSAGES + b',"model":"chat"}', "model"),
        (HEAD + b"," + MESSAGES + b"}", "messages"),
        (HEAD + b',"stream":false,"stream":true}', "stream"),
        (HEAD + b',"x":1,"x":1}', "x"),
        (HEAD + b',"federation":{},"federation":{}}', "federation"),
        (HEAD + b',"federation":{"session":"a","session":"b"}}', "federation.session"),
        (
            HEAD + b',"federation":{"constraints":{"max_cost":1,"max_c\\u006fst":9}}}',
            "federation.constraints.max_cost",
        ),
        (
            HEAD + b',"stream_options":{"include_usage":true,"include_usage":false}}',
            "stream_options.include_usage",
        ),
        (
            b'{"model":"chat","messages":[{"role":"user","role":"system","content":"x"}]}',
            "messages[0].role",
        ),
        (
            rb'{"model":"chat","messages":[{"role":"user","content":"x","c\u006fntent":"y"}]}',
            "messages[0].content",
        ),
        (
            b'{"messages":[{"role":"user","content":[{"type":"text","text":"a","text":"b"}]}]}',
            "messages[0].content[0].text",
        ),
        (HEAD + b',"tools":[{"type":"function","type":"mcp"}]}', "tools[0].type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_duplicate_of_a_key_that_is_read_is_refused(body: bytes, param: str) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        assert refused(await post(client, body), 400, "duplicate_field")["param"] == param
        untouched(running, upstream)


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt":"a","prompt":"b"}',
        rb'{"prompt":"a","pr\u006fmpt":"b"}',
        b'{"prompt":"a","dry_run":true,"dry_run":false}',
        b'{"prompt":"a","constraints":{"max_cost":1,"max_cost":9}}',
    ],
)
async def test_a_duplicate_in_a_route_request_is_refused(body: bytes) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        refused(await post(client, body, "/v1/route"), 400, "duplicate_field")
        untouched(running, upstream)


# Bombs.

DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b'{"a":' * DEEP,
        with_field("x", b"[" * DEEP + b"]" * DEEP),
        with_field("x", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        with_field("metadata", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        with_field("tools", b"[" * DEEP + b"]" * DEEP),
        with_field("federation", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        b'{"model":"chat","messages":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"model":"chat","messages":[{"role":"user","content":'
        + b"[" * DEEP
        + b"]" * DEEP
        + b"}]}",
    ],
    ids=range(9),
)
@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
async def test_deep_nesting_is_refused(body: bytes, path: str) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        refused(await post(client, body, path), 400)
        untouched(running, upstream)


@pytest.mark.parametrize("depth", [100, 300, 500, 700, 900, 1100, 2000])
async def test_any_depth_is_forwarded_or_refused(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    deep = json.loads('{"a":' * 100 + "1" + "}" * 100)
    async with rig(answers()) as (_, client, _upstreams):
        bodies = [with_field("x", nested), with_field("metadata", b'{"a":%b}' % nested)]
        bodies.append(with_field("tools", b'[{"type":"function","function":{"x":%b}}]' % nested))
        for body in bodies:
            reply = await post(client, body)
            assert reply.status_code in (200, 400), reply.text
        reply = await client.post("/v1/route", json={"model": "chat", "messages": [deep]})
        refused(reply, 400)
        message = b'{"role":"user","content":"x","y":%b}' % nested
        body = b'{"model":"chat","messages":[%b]}' % message
        reply = await post(client, body, "/v1/route")
        assert reply.status_code in (200, 400), reply.text


async def test_a_body_over_the_limit_is_refused() -> None:
    async with rig(answers(), limits=ListenerLimits(body_bytes=50_000)) as (running, client, (up,)):
        reply = await post(client, chat(user="x" * 60_000))
        refused(reply, 413)
        untouched(running, up)
        assert (await post(client, chat(metadata={"x": "y" * 40_000}))).status_code == 200


async def test_a_body_of_too_many_values_is_refused() -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        crowd = b"[" + b"{}," * 300_000 + b"{}]"
        refused(await post(client, with_field("x", crowd)), 413)
        untouched(running, upstream)


@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
async def test_a_compressed_bomb_is_refused(path: str) -> None:
    bomb = gzip.compress(chat(x="0" * 3_000_000))
    async with rig(answers(), limits=ListenerLimits(body_bytes=1_000_000)) as rigged:
        running, client, (upstream,) = rigged
        reply = await client.post(path, content=bomb, headers={"content-encoding": "gzip"})
        refused(reply, 413)
        untouched(running, upstream)
        good = gzip.compress(chat())
        reply = await client.post(CHAT, content=good, headers={"content-encoding": "gzip"})
        assert reply.status_code == 200


# Types.

VALUES = (
    b"true", b"0", b"-1", b"1.5", b"1e400", b"12345678901234567890123", b'"x"', b'"\xff"',
    b'"' + b"x" * 600 + b'"', b"[]", b"[1]", b'["x"]', b"[null]", b"{}", b'{"x":1}', b'{"x":[]}',
)  # fmt: skip


def wrong_values(name: str) -> list[bytes]:
    wrong = []
    for value in VALUES:
        try:
            FIELDS[name].decode(value)
        except (msgspec.ValidationError, UnicodeDecodeError):
            wrong.append(value)
    return wrong


@pytest.mark.parametrize("name", sorted(FIELDS))
async def test_a_wrong_type_names_its_field(name: str) -> None:
    wrong = wrong_values(name)
    assert wrong
    async with rig(answers()) as (running, client, (upstream,)):
        for value in wrong:
            body = with_field(name, value)
            if name == "model":
                body = body.replace(b'"model":"chat",', b"")
            error = refused(await post(client, body), 400)
            if b"\xff" not in value:
                assert error["code"] == "invalid_type", (value, error)
                assert error["param"].split(".")[0].split("[")[0] == name, (value, error)
                assert name in error["message"]
        untouched(running, upstream)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("null", "messages"),
        ("{}", "messages"),
        ('"x"', "messages"),
        ("[]", "messages"),
        ("[1]", "messages[0]"),
        ("[null]", "messages[0]"),
        ("[[]]", "messages[0]"),
        ("[{}]", "messages[0].role"),
        ('[{"role":"user"}]', "messages[0].content"),
        ('[{"role":1,"content":"x"}]', "messages[0].role"),
        ('[{"role":"robot","content":"x"}]', "messages[0].role"),
        ('[{"role":"user","content":1}]', "messages[0].content"),
        ('[{"role":"user","content":{}}]', "messages[0].content"),
        ('[{"role":"user","content":true}]', "messages[0].content"),
        ('[{"role":"user","content":[1]}]', "messages[0].content[0]"),
        ('[{"role":"user","content":[{}]}]', "messages[0].content[0].type"),
        ('[{"role":"user","content":[{"type":1}]}]', "messages[0].content[0].type"),
        ('[{"role":"user","content":[{"type":"text"}]}]', "messages[0].content[0].text"),
        ('[{"role":"user","content":[{"type":"text","text":1}]}]', "messages[0].content[0].text"),
        (
            '[{"role":"user","content":[{"type":"image_url","image_url":1}]}]',
            "messages[0].content[0].image_url",
        ),
        ('[{"role":"assistant","tool_calls":1}]', "messages[0].tool_calls"),
        ('[{"role":"assistant","tool_calls":[1]}]', "messages[0].tool_calls[0]"),
        ('[{"role":"user","content":"x","name":1}]', "messages[0].name"),
        ('[{"role":"user","content":"x"},{"role":"tool"}]', "messages[1].content"),
    ],
)
async def test_a_wrong_message_is_named_by_its_place(messages: str, param: str) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        body = b'{"model":"chat","messages":%b}' % messages.encode()
        error = refused(await post(client, body), 400)
        assert error["param"] == param
        untouched(running, upstream)


BROKEN = (rb'"\ud800"', rb'"\udead\ud800"', b'"\xff"', b'"\xed\xa0\x80"', rb'"\u00"', b'"\x01"')


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
async def test_text_that_is_not_unicode_is_refused_wherever_it_stands(broken: bytes) -> None:
    message = b'{"model":"chat","messages":[{"role":"user","content":%b}]}'
    part = b'{"model":"chat","messages":[{"role":"user","content":[{"type":"text","text":%b}]}]}'
    kind = b'{"model":"chat","messages":[{"role":"user","content":[{"type":%b}]}]}'
    role = b'{"model":"chat","messages":[{"role":%b,"content":"x"}]}'
    bodies = [template % broken for template in (message, part, kind, role)]
    bodies += [with_field(name, broken) for name in ("user", "x", "seed", "service_tier", "store")]
    bodies.append(b'{"model":%b,%b}' % (broken, MESSAGES))
    bodies.append(with_field("tools", b'[{"type":%b}]' % broken))
    bodies.append(with_field("federation", b'{"session":%b}' % broken))
    bodies.append(with_field("federation", b'{"tags":{%b:"x"}}' % broken))
    bodies.append(b"{%b:1,%b}" % (broken, HEAD[1:]))
    async with rig(answers()) as (running, client, (upstream,)):
        for body in bodies:
            refused(await post(client, body), 400)
            refused(await post(client, b'{"prompt":%b}' % broken, "/v1/route"), 400)
        untouched(running, upstream)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b"[]", b'"x"', b"1", b"{", b"{}", b"\xff\xfe{\x00}\x00", b"\x00", HEAD],
    ids=range(11),
)
@pytest.mark.parametrize("path", [CHAT, "/v1/route"])
async def test_a_body_that_is_no_request_is_refused(body: bytes, path: str) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        refused(await post(client, body, path), 400)
        untouched(running, upstream)


async def test_a_byte_order_mark_is_refused_by_name() -> None:
    async with rig(answers()) as (_, client, _upstreams):
        error = refused(await post(client, b"\xef\xbb\xbf" + chat()), 400, "invalid_json")
        assert "byte order mark" in error["message"]


# What a call asks of us.


@pytest.mark.parametrize(
    ("ask", "param"),
    [
        (1, "federation"),
        ([], "federation"),
        ({"unknown": 1}, "federation"),
        ({"strategy": 1}, "federation.strategy"),
        ({"strategy": "best"}, "federation.strategy"),
        ({"tags": {"a": 1}}, "federation.tags"),
        ({"tags": []}, "federation.tags"),
        ({"session": "x" * 300}, "federation.session"),
        ({"constraints": {"max_cost": "1"}}, "federation.constraints.max_cost"),
        ({"constraints": {"max_cost": -1}}, "federation.constraints.max_cost"),
        ({"constraints": {"speed": 1}}, "federation.constraints"),
        ({"constraints": {"data_residency": 1}}, "federation.constraints.data_residency"),
        ({"metadata": "yes"}, "federation.metadata"),
    ],
)
async def test_a_wrong_ask_names_its_member(ask: Any, param: str) -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        error = refused(await post(client, chat(federation=ask)), 400)
        assert error["param"].startswith(param)
        assert upstream.seen == []


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-federation-strategy", "best"),
        ("x-federation-max-cost", "much"),
        ("x-federation-max-cost", "1e9"),
        ("x-federation-max-cost", "-1"),
        ("x-federation-max-cost", "nan"),
        ("x-federation-metadata", "maybe"),
        ("x-federation-tags", "a"),
        ("x-federation-tags", "a=1,a=2"),
        ("x-federation-sesion", "x"),
        ("x-federation-session", "x" * 300),
        ("x-federation-user", b"\xff\xfe"),
    ],
)
async def test_a_wrong_ask_in_a_header_is_refused(header: str, value: str | bytes) -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        name = header.encode()
        said = value if isinstance(value, bytes) else value.encode()
        reply = await client.post(CHAT, content=chat(), headers=[(name, said)])
        error = refused(reply, 400)
        assert error["param"]
        assert upstream.seen == []


async def test_body_and_header_that_contradict_each_other_are_refused() -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        reply = await client.post(
            CHAT,
            json=HELLO | {"federation": {"session": "a"}},
            headers={"x-federation-session": "b"},
        )
        refused(reply, 400, "conflicting_ask")
        assert upstream.seen == []


# Names.


async def test_an_unknown_model_is_answered_with_the_nearest_names() -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        for name, near in (("chta", "chat"), ("p0/acme-larg", "p0/acme-large")):
            error = refused(await post(client, chat(model=name)), 404, "model_not_found")
            assert error["param"] == "model"
            assert near in error["message"]
        error = refused(await post(client, chat(model="zzz" * 60)), 404, "model_not_found")
        assert len(error["message"]) < 300
        assert upstream.seen == []


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", CHAT, 405),
        ("PUT", CHAT, 405),
        ("DELETE", CHAT, 405),
        ("OPTIONS", CHAT, 405),
        ("GET", "/v1/route", 405),
        ("POST", "/v1/models", 405),
        ("DELETE", "/v1/models", 405),
        ("POST", "/v1/models/chat", 405),
        ("POST", "/v1/providers", 405),
        ("POST", "/health", 405),
        ("DELETE", "/health/ready", 405),
        ("GET", "/", 404),
        ("POST", "/", 404),
        ("GET", "/v1/chat/completion", 404),
        ("POST", "/v1/chat/completions/", 404),
        ("GET", "/.env", 404),
        ("GET", "/v1/%2e%2e/etc/passwd", 404),
        ("GET", "/%00", 404),
        ("GET", "/%ff%fe", 404),
        ("GET", "/caf%C3%A9", 404),
        ("TRACE", "/v1/nothing", 404),
    ],
)
async def test_wrong_methods_and_paths(method: str, path: str, code: int) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        reply = await client.request(method, path)
        if code == 404 and reply.status_code == 400:
            code = 400  # the listener refuses paths that are not text
        refused(reply, code)
        assert ("allow" in reply.headers) == (code == 405)
        assert method not in reply.headers.get("allow", "")
        untouched(running, upstream)


@pytest.mark.parametrize(("method", "status"), [(b"OPTIONS", b"204"), (b"GET", b"400")])
async def test_the_server_itself_tells_what_it_takes(method: bytes, status: bytes) -> None:
    async with rig(answers()) as (running, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(method + b" * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
        assert said.split(b" ", 2)[1] == status
        allowed = b"allow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n"
        assert (allowed in said) == (status == b"204")


# Governed fields.


def loud(name: str) -> bytes:
    """A value with which a governed field changes something."""
    for value in (b'"flex"', b"true", b'{"a":1}', b'["a"]', b"7"):
        if value in GOVERNED[name].neutral:
            continue
        try:
            if name in FIELDS:
                FIELDS[name].decode(value)
        except msgspec.ValidationError:
            continue
        return value
    raise LookupError(name)


async def test_governed_fields_are_refused_unless_the_operator_allows_them() -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        for name in GOVERNED:
            error = refused(await post(client, with_field(name, loud(name))), 403, "governed_field")
            assert error["param"] == name
        refused(await post(client, chat(tools=[{"type": "mcp"}])), 403, "governed_field")
        untouched(running, upstream)
    allowed = Settings(allow_fields=(*GOVERNED, "tools.mcp"))
    async with rig(answers(), settings=allowed) as (_, client, (upstream,)):
        for name in GOVERNED:
            body = with_field(name, loud(name))
            assert (await post(client, body)).status_code == 200
            assert upstream.seen[-1].body == body.replace(b'"chat"', b'"acme-large"', 1)
        assert (await post(client, chat(tools=[{"type": "mcp"}]))).status_code == 200


async def test_governed_fields_that_change_nothing_are_forwarded() -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        for name, row in GOVERNED.items():
            for value in row.neutral:
                if name in FIELDS and value != b"null":
                    try:
                        FIELDS[name].decode(value)
                    except msgspec.ValidationError:
                        continue
                assert (await post(client, with_field(name, value))).status_code == 200
                assert b'"%b":%b' % (name.encode(), value) in upstream.seen[-1].body


async def test_a_denied_field_stays_denied_where_it_is_also_allowed() -> None:
    settings = Settings(allow_fields=("store",), deny_fields=("store",))
    async with rig(answers(), settings=settings) as (_, client, _upstreams):
        refused(await post(client, with_field("store", b"true")), 403, "governed_field")


@pytest.mark.parametrize(
    "rule",
    [
        {"max_cost": 1},
        {"data_residency": ["eu"]},
        {"gdpr_required": True},
        {"soc2_required": True},
    ],
    ids=str,
)
async def test_fields_that_nobody_listed_are_refused_under_a_rule(rule: dict[str, Any]) -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        ruled = {"constraints": rule}
        assert (await post(client, chat(federation=ruled))).status_code == 200
        assert (await post(client, chat(federation=ruled, top_k=3, think=False))).status_code == 200
        asked = len(upstream.seen)
        reply = await post(client, chat(federation=ruled, x_new_thing=1))
        assert refused(reply, 400, "unlisted_field")["param"] == "x_new_thing"
        odd = [{"role": "user", "content": [{"type": "hologram"}]}]
        reply = await post(client, chat(federation=ruled, messages=odd))
        refused(reply, 400, "unlisted_field")
        assert len(upstream.seen) == asked


# Keys.


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"authorization": ""}, "missing_api_key"),
        ({"authorization": "Basic dXNlcjpwYXNz"}, "missing_api_key"),
        ({"authorization": "Bearer"}, "missing_api_key"),
        ({"authorization": "Bearer nonsense"}, "invalid_api_key"),
        ({"authorization": f"Bearer {SECRET}x"}, "invalid_api_key"),
        ({"authorization": b"Bearer \xff\xfe"}, "invalid_api_key"),
        ({"authorization": "Bearer " + "x" * 20_000}, "invalid_api_key"),
        ({"authorization": "Bearer ' OR '1'='1' --"}, "invalid_api_key"),
        ({"authorization": 'Bearer "; DROP TABLE keys; --'}, "invalid_api_key"),
        ({"authorization": "Bearer %27%20OR%201%3D1%00"}, "invalid_api_key"),
        ({"authorization": f"Bearer {SECRET}, Bearer {SECRET}"}, "invalid_api_key"),
        ({"authorization": f"Bearer {SECRET}%0d%0ax-admin: 1"}, "invalid_api_key"),
        ({"x-api-key": "' UNION SELECT hash FROM keys --"}, "invalid_api_key"),
        ({"x-api-key": "${jndi:ldap://127.0.0.1/a}"}, "invalid_api_key"),
        ({"x-api-key": "nonsense"}, "invalid_api_key"),
        ({"authorization": f"Bearer {SECRET}", "x-api-key": "other"}, "invalid_api_key"),
        ({"authorization": "Bearer other", "x-api-key": SECRET}, "invalid_api_key"),
    ],
)
async def test_without_one_good_key_nothing_is_answered(headers: Any, code: str) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        del client.headers["authorization"]
        for method, path in (
            ("POST", CHAT),
            ("POST", "/v1/route"),
            ("GET", "/v1/models"),
            ("GET", "/v1/models/chat"),
            ("GET", "/v1/providers"),
        ):
            reply = await client.request(method, path, content=b"{broken", headers=headers)
            error = refused(reply, 401, code)
            assert SECRET not in reply.text
            assert "nonsense" not in error["message"]
        untouched(running, upstream)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"bearer {SECRET}"},
        {"authorization": f"Bearer   {SECRET}"},
        {"x-api-key": SECRET},
        {"authorization": f"Bearer {SECRET}", "x-api-key": SECRET},
    ],
)
async def test_a_good_key_is_taken_in_every_place(headers: dict[str, str]) -> None:
    async with rig(answers()) as (_, client, (upstream,)):
        del client.headers["authorization"]
        assert (await client.post(CHAT, json=HELLO, headers=headers)).status_code == 200
        assert SECRET not in str(upstream.seen[0].headers)


async def test_an_open_gateway_asks_for_no_key() -> None:
    async with rig(answers(), settings=Settings(open=True)) as (running, client, _):
        del client.headers["authorization"]
        assert (await client.post(CHAT, json=HELLO)).status_code == 200
        assert running.books.ended[0].key == "open"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
async def test_a_role_that_may_not_call_models_is_refused(role: Role) -> None:
    async with rig(answers()) as (running, client, (upstream,)):
        running.keys.key = replace(running.keys.key, role=role)
        refused(await client.post(CHAT, json=HELLO), 403, "permission_denied")
        refused(await client.post("/v1/route", json={"prompt": "x"}), 403, "permission_denied")
        assert (await client.get("/v1/models")).status_code == 200
        untouched(running, upstream)


# Headers and framing.

ABUSE = {
    "two content-lengths": (b"content-length: 2\r\ncontent-length: 2\r\n", b"{}"),
    "two different content-lengths": (b"content-length: 2\r\ncontent-length: 3\r\n", b"{}"),
    "a list of content-lengths": (b"content-length: 2, 2\r\n", b"{}"),
    "a negative content-length": (b"content-length: -1\r\n", b""),
    "a content-length that is no number": (b"content-length: 0x2\r\n", b"{}"),
    "content-length beside chunks": (
        b"content-length: 2\r\ntransfer-encoding: chunked\r\n",
        b"2\r\n{}\r\n0\r\n\r\n",
    ),
    "chunks that are none": (b"transfer-encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
    "an unknown transfer coding": (b"transfer-encoding: gzip\r\n", b"{}"),
    "an unknown content coding": (b"content-length: 2\r\ncontent-encoding: snappy\r\n", b"{}"),
    "a folded line": (b"x-a: b\r\n c\r\ncontent-length: 2\r\n", b"{}"),
    "a space before the colon": (b"content-length : 2\r\n", b"{}"),
    "a bare line feed": (b"x-a: b\nx-c: d\r\ncontent-length: 2\r\n", b"{}"),
    "a carriage return in a value": (b"x-a: b\rx-c: d\r\ncontent-length: 2\r\n", b"{}"),
    "a zero byte": (b"x-a: b\x00c\r\ncontent-length: 2\r\n", b"{}"),
    "a line without a colon": (b"nonsense\r\ncontent-length: 2\r\n", b"{}"),
    "an empty name": (b": x\r\ncontent-length: 2\r\n", b"{}"),
    "two keys": (b"authorization: Bearer x\r\ncontent-length: 2\r\n", b"{}"),
    "a hundred thousand headers": (b"x-a: b\r\n" * 100_000, b""),
    "a huge header": (b"x-a: " + b"b" * 1_000_000 + b"\r\n", b""),
    "a huge name": (b"x" * 1_000_000 + b": b\r\n", b""),
}


async def talk(running: Gateway, data: bytes) -> bytes:
    """Send bytes; everything that comes back until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def refused_raw(answer: bytes) -> int:
    """The status of a raw refusal; its body must be an error in OpenAI's format."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head, answer[:300]
    assert {"message", "type", "param", "code"} <= set(json.loads(body)["error"])
    return int(head.split(b" ", 2)[1])


@pytest.mark.parametrize("name", ABUSE)
async def test_header_abuse_is_refused(name: str) -> None:
    lines, body = ABUSE[name]
    start = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
    async with rig(answers()) as (running, client, (upstream,)):
        answer = await talk(running, start + lines + b"\r\n" + body)
        assert refused_raw(answer) in (400, 401, 413, 415, 431, 501)
        if name != "two keys":
            assert refused_raw(answer) != 401
        untouched(running, upstream)
        await eventually(lambda: running.server.connections == 0)
        assert (await client.post(CHAT, json=HELLO)).status_code == 200


@pytest.mark.parametrize(
    "line",
    [
        b"POST /v1/chat/completions HTTP/2.0",
        b"POST /v1/chat/completions HTTP/1.2",
        b"POST /v1/chat/completions",
        b"CONNECT example.org:443 HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1",
    ],
    ids=range(6),
)
async def test_a_request_line_that_is_none_is_refused(line: bytes) -> None:
    async with rig(answers()) as (running, _, (upstream,)):
        answer = await talk(running, line + b"\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert refused_raw(answer) in (400, 404, 405, 414, 431, 505)
        untouched(running, upstream)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1/chat",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{",
    ],
    ids=["line", "head", "body"],
)
async def test_a_slow_request_is_given_up(data: bytes) -> None:
    limits = ListenerLimits(head_s=0.2, body_s=0.2)
    async with rig(answers(), limits=limits) as (running, _, (upstream,)):
        assert refused_raw(await talk(running, data)) == 408
        untouched(running, upstream)


async def test_a_second_request_cannot_be_smuggled_in_a_body() -> None:
    inner = request_bytes(chat())
    async with rig(answers()) as (running, _, (upstream,)):
        outer = request_bytes(inner, path="/v1/nothing", headers=("connection: close",))
        answer = await talk(running, outer)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b" 404 " in answer
        untouched(running, upstream)


async def test_headers_of_the_client_do_not_reach_the_provider() -> None:
    headers = {"x-evil": "1", "cookie": "a=b", "openai-organization": "org", "host": "evil.example"}
    async with rig(answers()) as (_, client, (upstream,)):
        assert (await client.post(CHAT, json=HELLO, headers=headers)).status_code == 200
        seen = upstream.seen[0].headers
        assert not {"x-evil", "cookie", "openai-organization"} & set(seen)
        assert seen["host"].startswith("127.0.0.1")


async def test_after_all_this_nothing_is_left_in_flight() -> None:
    async with rig(answers()) as (running, client, _):
        for body in (b"", b"{", chat(model="zzz"), with_field("n", b'"x"'), chat()) * 20:
            await post(client, body)
        assert at_rest(running)
        assert len(running.books.ended) == 40  # the unknown model and the good call
