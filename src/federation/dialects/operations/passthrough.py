"""The governed pass-through: what has no operation of its own, where a row lets it through.

Decides and builds; the gateway checks key, policy, budget and who owns the ids, and sends.
Nothing is let through that is not listed. The path that was judged is the path that is sent:
it is taken decoded, must hold nothing that a server could decode or normalize again, and is
written anew. Headers and query parameters are let through by name, never by default.

Reference: https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote, unquote_to_bytes

import msgspec

from federation.dialects.address import Reach
from federation.dialects.ask import read_ask
from federation.dialects.faces import HeaderPairs
from federation.dialects.openai import wire as chat_wire
from federation.dialects.openai.tables import GOVERNED
from federation.dialects.openai.wire import Wire
from federation.dialects.operations.passthrough_rules import (
    ANY,
    JSON,
    METHODS,
    NEVER_QUERY,
    NONE,
    UNFILTERED,
    Rule,
    is_administration,
    never_sent,
    read_rules,
)
from federation.dialects.operations.upstream import content_type, media_type
from federation.dialects.splice import splice
from federation.dialects.tokenizer import layout
from federation.domain.catalogue import Deployment, Model, Provider
from federation.domain.routes import Settings
from federation.errors import (
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    UnsupportedMedia,
    UpstreamGarbled,
)
from federation.schema.glance import Ask, Edits
from federation.schema.http import ClientRequest, Headers, WireRequest

PREFIX: Final = "/passthrough/"
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~:@+=,-]{0,127}")
_PARAM = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_MOST_SEGMENTS: Final = 16
_MOST_PARAMS: Final = 32
_LONGEST_VALUE: Final = 1024
_USUAL: Final = frozenset((b"accept", b"accept-language", b"content-type", b"if-none-match"))
_RETURNED: Final = frozenset(
    (b"accept-ranges", b"content-range", b"etag", b"last-modified", b"request-id", b"retry-after",
     b"x-request-id")
)  # fmt: skip
_OWN: Final = "federation"
_NAME: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True, slots=True)
class Passage:
    """A request that a row lets through, as far as the row is concerned.

    Still to be decided by others: the key and the policies (`ask`, `model`, `governed`,
    `unlisted`), the budget (`price_nano`), and that every id in `ids` is the tenant's.
    """

    rule: Rule
    provider: str
    method: str
    path: str
    """Below the provider's base address, percent-encoded."""
    query: str
    headers: HeaderPairs = field(repr=False)
    body: bytes = field(repr=False)
    ids: Mapping[str, str]
    """Placeholders of the path and what stood there."""
    price_nano: int
    ask: Ask
    model: str | None = None
    governed: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passages:
    """A provider's row, ready to be asked untranslated. Holds a secret."""

    provider: str
    rules: tuple[Rule, ...]
    chat: Wire = field(repr=False)
    """Origin, base path and error habits."""
    headers: HeaderPairs = field(repr=False)


def prepare(
    provider: Provider,
    *,
    headers: HeaderPairs = (),
    query: str = "",
    secret: str = "",
    private: bool = False,
) -> Passages:
    """Prepare a row. `headers` and `query` are what its signer made. Raises `ValueError` for an
    address that cannot be used, and for a rule that cannot be let through."""
    rules = read_rules(provider.quirks.get("passthrough"))
    kept = {"query": provider.quirks["query"]} if "query" in provider.quirks else {}
    bare = Deployment(
        provider.id, replace(provider, quirks={**kept, "path": ""}), Model("passthrough"), True
    )
    wire = chat_wire.prepare(bare, Settings(), Reach(headers, query, secret, private))
    shared = tuple(pair for pair in wire.whole if pair[0] not in (b"content-type", b"accept"))
    return Passages(provider.id, rules, wire, shared)


def provider_of(path: str) -> tuple[str, str]:
    """The provider that a path names, and the path below it. Raises `NotFound`."""
    name, slash, rest = path.removeprefix(PREFIX).partition("/")
    if not path.startswith(PREFIX) or not slash or _PROVIDER.fullmatch(name) is None:
        raise NotFound("A pass-through path is /passthrough/{provider}/{path}.")
    return name, rest


def admit(passages: Passages, request: ClientRequest) -> Passage:
    """The passage of a request through a row.

    Raises `InvalidRequest` for a path, query or body that could be read in two ways,
    `Forbidden` where no rule lets it through or its price is unknown, `MethodNotAllowed`
    where a rule has the path alone, and `UnsupportedMedia`.
    """
    segments = _segments(provider_of(request.path)[1])
    rule = _rule_for(passages, request.method, segments)
    if rule.price_nano is None:
        raise Forbidden(
            "The row of this provider states no price for this path, so it cannot be called.",
            code="unknown_price",
        )
    query = _query(request.query, rule)
    if rule.lists_everybodys(request.method) or not _is_filtered(query, rule):
        raise Forbidden(
            "This path lists the objects of everybody who uses the account. Name one of yours, "
            "or the query parameter that the row filters by.",
            code="everybodys_objects",
        )
    values = [have for want, have in zip(rule.segments, segments, strict=True) if not want]
    passage = Passage(
        rule=rule,
        provider=passages.provider,
        method=request.method,
        path="/" + "/".join([quote(segment, safe=":@+=,~") for segment in segments]),
        query=query,
        headers=_request_headers(request.headers, rule),
        body=request.body,
        ids=dict(zip(rule.names, values, strict=True)),
        price_nano=rule.price_nano,
        ask=Ask(),
    )
    return _with_body(passage, request)


def build(passages: Passages, passage: Passage) -> WireRequest:
    """The request to send: the row's address, headers and sign-in, and what was let through."""
    base, _, terms = passages.chat.target.partition("?")
    query = "&".join([part for part in (terms, passage.query) if part])
    target = f"{base}{passage.path}?{query}" if query else base + passage.path
    headers = (*passage.headers, *passages.headers)
    return WireRequest(passage.method, passages.chat.origin, target, headers, passage.body)


def returned_headers(status: int, headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers to hand back to the client; never a cookie, a challenge or another page's.

    Raises `UpstreamGarbled` for a redirection: following it is not ours, and its address may
    hold a signature of the account.
    """
    if 300 <= status < 400 and status != 304:
        raise UpstreamGarbled("The provider answered with a redirection.", upstream_status=status)
    kept = [(name, value) for name, value in headers.items() if name in _RETURNED]
    if b"content-type" in headers:
        kept.append((b"content-type", content_type(headers)))
    kept.append((b"x-content-type-options", b"nosniff"))
    return kept


def created_id(passage: Passage, headers: Headers, body: bytes) -> str:
    """The id of what an answer says was created; empty where the rule names no member.

    Raises `UpstreamGarbled` where the rule names one that the answer does not have: the
    object would be nobody's.
    """
    name = passage.rule.creates
    if not name:
        return ""
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return _NAME.decode(members[name])
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, RecursionError):
        kind = media_type(headers).decode("latin-1")
        raise UpstreamGarbled(f"The provider's answer ({kind}) names no new id.") from None


def _segments(path: str) -> list[str]:
    segments = path.split("/")
    if len(segments) > _MOST_SEGMENTS or not all(map(_SEGMENT.fullmatch, segments)):
        raise InvalidRequest(
            "The path may hold plain segments only: no '..', no empty or encoded ones, no '%', "
            "';' or backslash.",
            code="invalid_path",
        )
    if any(map(is_administration, segments)):
        raise Forbidden("Administration of an account is never passed through.")
    return segments


def _rule_for(passages: Passages, method: str, segments: list[str]) -> Rule:
    fitting = [rule for rule in passages.rules if _fits(rule, segments)]
    if not fitting:
        raise Forbidden(
            f"The row of {passages.provider!r} does not let this path through. Its rules are "
            "the quirk 'passthrough'.",
            code="path_not_listed",
        )
    # A literal path is meant more exactly than one with a placeholder.
    fitting.sort(key=lambda rule: len(rule.names))
    found = next((rule for rule in fitting if method in rule.methods), None)
    if found is None or method not in METHODS:
        raise MethodNotAllowed("The row of this provider lets this path through by other methods.")
    return found


def _fits(rule: Rule, segments: list[str]) -> bool:
    return len(rule.segments) == len(segments) and all(
        want in ("", have) for want, have in zip(rule.segments, segments, strict=True)
    )


def _query(raw: str, rule: Rule) -> str:
    """The query written anew. Every name is listed, stands once, and is no credential's."""
    if not raw:
        return ""
    pairs: dict[str, str] = {}
    for term in raw.split("&"):
        name, _, encoded = term.partition("=")
        value = _unquoted(encoded)
        if _PARAM.fullmatch(name) is None or ";" in term or name in pairs or value is None:
            raise InvalidRequest(
                "The query must be plain name=value pairs, each name once.", code="invalid_query"
            )
        if name not in rule.query or name.lower() in NEVER_QUERY:
            raise Forbidden(
                f"The query parameter {name!r} is not listed for this path.",
                code="query_not_listed",
            )
        pairs[name] = value
    if len(pairs) > _MOST_PARAMS:
        raise InvalidRequest(f"The query has more than {_MOST_PARAMS} terms.", code="invalid_query")
    return "&".join(
        [f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs.items()]
    )


def _is_filtered(query: str, rule: Rule) -> bool:
    if rule.filter in ("", UNFILTERED):
        return True
    name = quote(rule.filter, safe="")
    return any(term.startswith(f"{name}=") for term in query.split("&"))


def _unquoted(encoded: str) -> str | None:
    try:
        value = unquote_to_bytes(encoded.replace("+", " ")).decode()
    except UnicodeDecodeError:
        return None
    return value if len(value) <= _LONGEST_VALUE and value.isprintable() else None


def _request_headers(headers: Headers, rule: Rule) -> HeaderPairs:
    allowed = _USUAL | rule.headers
    return tuple(
        (name, value)
        for name, value in headers.items()
        if name in allowed and not never_sent(name) and b"\r" not in value and b"\n" not in value
    )


def _with_body(passage: Passage, request: ClientRequest) -> Passage:
    rule, body = passage.rule, request.body
    if rule.body == NONE and body:
        raise InvalidRequest("This path takes no body.", code="invalid_body")
    if rule.body != JSON or not body:
        return replace(passage, ask=read_ask(None, request.headers), unlisted=_opaque(rule, body))
    if media_type(request.headers) != b"application/json":
        raise UnsupportedMedia("Send the body as application/json.")
    found, spans, end = layout(body)
    names = [name for name in found if name != _OWN]
    if _OWN in found:
        body = splice(body, spans, end, Edits(drop=(_OWN,)))
    return replace(
        passage,
        body=body,
        ask=read_ask(found.get(_OWN), request.headers),
        model=_model(found.get("model")),
        governed=tuple([name for name in names if _is_governed(name, found[name])]),
        unlisted=tuple([name for name in names if name not in rule.fields]),
    )


def _opaque(rule: Rule, body: bytes) -> tuple[str, ...]:
    """A body that nobody looks into counts as a field that nobody listed."""
    return ("body",) if body and rule.body == ANY else ()


def _model(raw: msgspec.Raw | None) -> str | None:
    if raw is None or bytes(raw) == b"null":
        return None
    try:
        return _NAME.decode(raw)
    except msgspec.ValidationError:
        raise InvalidRequest("'model' must be a text.", param="model") from None


def _is_governed(name: str, raw: msgspec.Raw) -> bool:
    rule = GOVERNED.get(name)
    return rule is not None and not rule.allows(raw)
