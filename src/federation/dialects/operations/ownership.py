"""Ids of a provider's objects, wrapped so that only the tenant that made them can use them.

Clients share one account at a provider, so an id alone opens everybody's files. What a client
sees is the id with a proof in front of it: a keyed hash over tenant, provider and id. No store
is needed: any worker, before and after a restart, can tell whose an id is. The trap: an id is
only as good as the places where it is looked for, so whatever a rule names (a placeholder of
the path, a member or query parameter under `ids`) must be wrapped, and a bare id there is nobody's.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from federation.dialects.operations.id_texts import with_changed_texts
from federation.dialects.operations.passthrough import Passage
from federation.dialects.tokenizer import layout
from federation.errors import InvalidRequest, NotFound, PayloadTooLarge, UpstreamGarbled

PREFIX: Final = "fed1id"
_MAC_BYTES: Final = 15
_MAC_TEXT: Final = 20
_HEAD: Final = len(PREFIX) + _MAC_TEXT
_PERSON: Final = b"federation-id"
_RAW = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._~:@+=,-]{0,99}")
_CROWD: Final = 10_000_000

Known = dict[str, str]
"""Ids as the provider writes them, and as the client does."""


def enclose_id(raw: str, tenant: str, provider: str, key: bytes) -> str:
    """The id that a client gets for a provider's. Raises `UpstreamGarbled` for one that could
    not stand in a path."""
    if _RAW.fullmatch(raw) is None:
        raise UpstreamGarbled("The provider's answer has a new id that cannot stand in a path.")
    return f"{PREFIX}{_proof(raw, tenant, provider, key)}{raw}"


def disclose_id(text: str, tenant: str, provider: str, key: bytes) -> str | None:
    """The provider's id in what a client sent; None where it is not this tenant's."""
    if not text.startswith(PREFIX) or not text.isascii():
        return None
    proof, raw = text[len(PREFIX) : _HEAD], text[_HEAD:]
    if _RAW.fullmatch(raw) is None:
        return None
    return raw if hmac.compare_digest(proof, _proof(raw, tenant, provider, key)) else None


def with_own_ids(passage: Passage, tenant: str, key: bytes) -> tuple[Passage, Known]:
    """The passage with the provider's ids in path, query and body, and which they were.

    Raises `NotFound` for an id that is not this tenant's: a foreign one, a bare one, none.
    """
    known: Known = {}

    def own(text: str) -> str:
        raw = disclose_id(text, tenant, passage.provider, key)
        if raw is None:
            raise NotFound("There is no such object, or it is not yours.")
        known[raw] = text
        return raw

    ids = {name: own(text) for name, text in passage.ids.items()}
    place = {text: ids[name] for name, text in passage.ids.items()}
    segments = [place.get(segment, segment) for segment in passage.path.split("/")]
    query = "&".join(
        [_owned_term(term, passage.rule.ids, own) for term in passage.query.split("&")]
    )
    body = _owned_body(passage, own)
    return replace(passage, ids=ids, path="/".join(segments), query=query, body=body), known


def for_client(body: bytes, created: str, known: Mapping[str, str], enclosed: str) -> bytes:
    """A provider's JSON answer with the client's ids in it: the new one (`enclosed`, where
    `created` is not empty) and those that the call named. Raises `UpstreamGarbled`."""
    names = {**known, created: enclosed} if created else dict(known)
    # Some writers escape a sign that an id may hold.
    if not names or not (b"\\" in body or any(raw.encode() in body for raw in names)):
        return body
    opening = body.lstrip()[:1]
    if opening not in (b"{", b"["):
        return body
    try:
        if opening == b"{":
            layout(body, _CROWD)
        else:
            msgspec.json.decode(body, type=list[msgspec.Raw])
        return with_changed_texts(body, frozenset(), lambda text, _: names.get(text, text))
    except (InvalidRequest, PayloadTooLarge, RecursionError, ValueError):
        raise UpstreamGarbled("The provider's answer can be read in two ways.") from None


def _owned_term(term: str, ids: frozenset[str], own: Callable[[str], str]) -> str:
    name, _, value = term.partition("=")
    text = unquote(value)
    if unquote(name) in ids or text.startswith(PREFIX):
        return f"{name}={quote(own(text), safe='')}"
    return term


def _owned_body(passage: Passage, own: Callable[[str], str]) -> bytes:
    """A JSON body with the provider's ids in it. What `ids` names must be wrapped."""
    body, rule = passage.body, passage.rule
    if not body or rule.body != "json" or not (rule.ids or PREFIX.encode() in body):
        return body

    def owned(text: str, is_id: bool) -> str:
        return own(text) if is_id or text.startswith(PREFIX) else text

    return with_changed_texts(body, rule.ids, owned)


def _proof(raw: str, tenant: str, provider: str, key: bytes) -> str:
    said = msgspec.msgpack.encode((tenant, provider, raw))
    digest = blake2b(said, digest_size=_MAC_BYTES, key=key, person=_PERSON).digest()
    return urlsafe_b64encode(digest).decode()
