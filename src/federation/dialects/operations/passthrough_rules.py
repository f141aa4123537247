"""What a row lets through untranslated: methods and paths, each with its price.

    passthrough:
      - method: [GET]
        path: /files/{file_id}     # `{name}` stands for one segment, an id of the caller's tenant
        price: free                # or USD for a request, as text: "0.002"
      - method: [POST]
        path: /fine_tuning/jobs
        price: "0.01"
        query: [dry_run]           # query parameters that may be sent; default none
        body: json                 # none (default) | json | any
        fields: [model, suffix]    # known members of a JSON body; others are unlisted
        ids: [training_file]       # members of a JSON body (`input.files`: a member of members,
                                   # lists included) and query parameters that hold ids of the
                                   # caller's tenant
        headers: [openai-beta]     # request headers that may be sent besides the usual ones
        creates: id                # member of the answer with an id that is now the tenant's
      - method: [GET]
        path: /parts               # no id in it: an answer like this lists everybody's objects
        query: [file_id]
        filter: file_id            # query parameter with an id of the tenant, without which it
                                   # is refused; `none` where the answer is nobody's (a catalog)

A path without a price cannot be called. Administration is never let through, whatever a row
says: keys, members, invoices and settings of an account are the operator's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from federation.domain.money import usd_to_nano

NONE, JSON, ANY = "none", "json", "any"
UNFILTERED: Final = "none"
METHODS: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE"))
_KEYS: Final = frozenset(
    ("method", "path", "price", "query", "body", "fields", "ids", "headers", "creates", "filter")
)
_BODIES: Final = frozenset((NONE, JSON, ANY))
_LITERAL = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._:@-]{0,127}")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")
_WORD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_MOST_USD: Final = Decimal(1_000)

_WORDS = """
    account accounts admin admins api-keys api_keys apikey apikeys audit audit_logs auth authorize
    billing certificate certificates credential credentials iam identity internal invite invites
    invoice invoices key keys login logout member members oauth oauth2 org organization
    organizations orgs password payment payments permission permissions policies policy project
    projects role roles secret secrets service_account service_accounts settings signup sso
    subscription subscriptions team teams token tokens user users webhook webhooks workspace
    workspaces
"""
_ADMINISTRATION: Final = frozenset(_WORDS.split())
"""Segments of paths that administer an account, in any spelling of case."""

NEVER_QUERY: Final = frozenset(
    ("access_token", "api-key", "api_key", "apikey", "auth", "authorization", "code", "key",
     "sig", "signature", "subscription-key", "token")
)  # fmt: skip
"""Query parameters that hold a credential somewhere."""

NEVER_HEADERS: Final = frozenset(
    (b"accept-encoding", b"api-key", b"authorization", b"connection", b"content-length", b"cookie",
     b"expect", b"forwarded", b"host", b"keep-alive", b"origin", b"proxy-authorization",
     b"proxy-connection", b"referer", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"via",
     b"x-api-key", b"x-goog-api-key", b"x-goog-user-project", b"x-http-method-override",
     b"x-method-override", b"x-original-url", b"x-real-ip", b"x-rewrite-url",
     b"openai-organization", b"openai-project")
)  # fmt: skip
NEVER_HEADERS_FROM: Final = (b"x-federation-", b"x-forwarded-", b"x-amz-", b"proxy-", b"sec-")


@dataclass(frozen=True, slots=True)
class Rule:
    """One method and path of a row. `price_nano` None: nobody said, so it cannot be called."""

    methods: frozenset[str]
    segments: tuple[str, ...]
    """Literal, or empty for a placeholder."""
    names: tuple[str, ...]
    """Of the placeholders, in order."""
    price_nano: int | None
    query: frozenset[str] = frozenset()
    body: str = NONE
    fields: frozenset[str] = frozenset()
    headers: frozenset[bytes] = frozenset()
    creates: str = ""
    ids: frozenset[str] = frozenset()
    filter: str = ""
    """Query parameter that says whose objects are listed, or `UNFILTERED`."""

    def lists_everybodys(self, method: str) -> bool:
        """Whether nothing says whose objects an answer lists."""
        return method == "GET" and not self.names and not self.filter


def read_rules(raw: object) -> tuple[Rule, ...]:
    """The rules of a row's `passthrough` quirk. Raises `ValueError` that names the rule."""
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple):
        raise _bad("passthrough must be a list of {method, path, price}")
    return tuple([_rule(item, f"passthrough[{index}]") for index, item in enumerate(raw)])


def is_administration(segment: str) -> bool:
    """Whether a segment of a path belongs to the administration of an account."""
    return segment.lower().partition(":")[0] in _ADMINISTRATION


def _rule(item: object, where: str) -> Rule:
    if not isinstance(item, Mapping) or not item.keys() <= _KEYS:
        raise _bad(f"{where} must be a mapping with keys among {', '.join(sorted(_KEYS))}")
    methods = frozenset(_words(item, "method", where))
    if not methods or not methods <= METHODS:
        raise _bad(f"{where}.method must name methods among {', '.join(sorted(METHODS))}")
    segments, names = _path(item.get("path"), where)
    query = frozenset(_words(item, "query", where))
    if not query.isdisjoint(NEVER_QUERY):
        raise _bad(f"{where}.query names a parameter that holds a credential")
    headers = frozenset(name.lower().encode() for name in _words(item, "headers", where))
    if any(never_sent(name) for name in headers):
        raise _bad(f"{where}.headers names a header that is never handed on")
    body = item.get("body", NONE)
    if body not in _BODIES or (body != NONE and methods <= {"GET"}):
        raise _bad(f"{where}.body must be none, json or any, and none for GET")
    creates = item.get("creates", "")
    if not isinstance(creates, str):
        raise _bad(f"{where}.creates must be the name of a member")
    ids = frozenset(_words(item, "ids", where))
    if not ids <= query and body != JSON:
        raise _bad(f"{where}.ids names members of a body of JSON, or parameters under query")
    filtered = item.get("filter", "")
    if not isinstance(filtered, str) or filtered not in ("", UNFILTERED, *query):
        raise _bad(f"{where}.filter must be a parameter under query, or {UNFILTERED}")
    return Rule(
        methods,
        segments,
        names,
        _price(item.get("price"), where),
        query,
        str(body),
        frozenset(_words(item, "fields", where)),
        headers,
        creates,
        ids if filtered in ("", UNFILTERED) else ids | {filtered},
        filtered,
    )


def never_sent(name: bytes) -> bool:
    """Whether a request header is never handed on to a provider."""
    return name in NEVER_HEADERS or name.startswith(NEVER_HEADERS_FROM)


def _words(item: Mapping[str, object], key: str, where: str) -> list[str]:
    value = item.get(key, ())
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(
        isinstance(word, str) and _WORD.fullmatch(word) for word in listed
    ):
        raise _bad(f"{where}.{key} must be a list of plain words")
    return list(listed)


def _path(path: object, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not isinstance(path, str) or not path.startswith("/"):
        raise _bad(f"{where}.path must begin with a slash")
    segments: list[str] = []
    names: list[str] = []
    for segment in path[1:].split("/"):
        placeholder = _PLACEHOLDER.fullmatch(segment)
        if placeholder is not None and placeholder[1] not in names:
            segments.append("")
            names.append(placeholder[1])
        elif _LITERAL.fullmatch(segment) and not is_administration(segment):
            segments.append(segment)
        else:
            raise _bad(f"{where}.path has a segment that cannot be let through: {segment!r}")
    return tuple(segments), tuple(names)


def _price(price: object, where: str) -> int | None:
    if price is None:
        return None
    if price == "free":
        return 0
    try:
        usd = Decimal(price) if isinstance(price, str | int | Decimal) else Decimal("NaN")
    except InvalidOperation:
        usd = Decimal("NaN")
    if isinstance(price, bool) or not usd.is_finite() or not 0 <= usd <= _MOST_USD:
        raise _bad(f"{where}.price must be free, or USD for a request as text")
    return usd_to_nano(usd)


def _bad(problem: str) -> ValueError:
    return ValueError(problem)
