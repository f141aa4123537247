"""Who presents a secret: a virtual key, or a token that we or a trusted issuer signed. Pure.

Every door asks here, the worker's without a round trip. The trap is the order: a signature is
checked once and remembered, but what its bearer may do is read anew from every ring, so that a
revoked key, session, person or tenant is refused with the next ring. Only tokens that were
good are remembered, so nobody can fill the memory with forged ones.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from federation.credentials.claims import Claims, Expected, read_claims
from federation.credentials.jws import (
    TOKEN_LIMIT,
    VerifyingKey,
    payload_of,
    read_key,
    read_object,
    signed,
)
from federation.credentials.subjects import (
    KEY_SUBJECT,
    as_key,
    ended,
    narrowed,
    refused,
    user_of,
)
from federation.domain.access import VirtualKey
from federation.domain.hands import USER_SUBJECT
from federation.domain.sign_in import TokenRing, TrustedIssuer
from federation.domain.snapshot import KeyRing
from federation.domain.tenancy import Quota, User
from federation.errors import ConfigError, Unauthorized
from federation.ports import KeyFinder

SESSION_CLAIM: Final = "sid"
SCOPE_CLAIM: Final = "scope"
REMEMBERED: Final = 2_048
REMEMBERED_CHARACTERS: Final = 4_096
"""Longer tokens are checked every time: what is remembered stays below 8 MiB."""
_BEGINNING: Final = "eyJ"
"""How the base64 of every JSON object with a name in it begins."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A token whose signature and times held when it was first seen."""

    claims: Claims
    issuer: TrustedIssuer | None
    """Whose it is; None is ours."""


@dataclass(frozen=True, slots=True)
class _Trust:
    """One issuer, with its keys ready."""

    expected: Expected
    keys: Mapping[str, VerifyingKey]
    issuer: TrustedIssuer | None


class Bearers:
    """Implements `ports.KeyFinder` over the newest key ring and token ring. `clock` is Unix
    seconds. For one thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tokens = TokenRing()
        self._trusted: dict[str, _Trust] = {}
        self._keys: KeyFinder | None = None
        self._by_id: dict[str, VirtualKey] = {}
        self._people: dict[tuple[str, str], User] = {}
        self._tenants: frozenset[str] = frozenset()
        self._quotas: Mapping[str, Quota] = {}
        self._checked: dict[str, _Checked] = {}
        self._admitted: dict[str, tuple[float, VirtualKey]] = {}

    def follow(self, ring: KeyRing, keys: KeyFinder) -> None:
        """Keys, people and tenants are these from now on."""
        self._keys = keys
        # A rotated key stands in the ring a second time under its former secret, with that one's
        # end. The first is the key itself.
        self._by_id = {key.id: key for key in reversed(ring.keys)}
        self._people = {(user.tenant, user.id): user for user in ring.people}
        self._tenants = ring.tenants
        self._quotas = ring.quotas
        self._admitted = {}

    def trust(self, ring: TokenRing) -> None:
        """These signers are believed from now on."""
        before, self._tokens = self._tokens, ring
        known = (before.issuer, before.audience, before.access_s, before.keys, before.issuers)
        if known != (ring.issuer, ring.audience, ring.access_s, ring.keys, ring.issuers):
            self._trusted = _trusted(ring)
            self._checked = {}
        self._admitted = {}

    def find(self, secret: str) -> VirtualKey | None:
        """The key in force with this secret, or who bears this token; None for one of neither.

        Raises `Unauthorized` for a token of an issuer that we know: `token_expired` where only
        its time is over, `token_revoked` where its session has ended, else `invalid_token`.
        """
        if secret.startswith(_BEGINNING):
            # Taken before anything is looked up: what an older ring let in is not remembered
            # under a newer one, whichever thread that comes from.
            admitted = self._admitted
            held = admitted.get(secret)
            if held is not None and held[0] > self._clock():
                return held[1]
            checked = self._check(secret)
            if checked is not None:
                return self._admit(secret, checked, admitted)
        return None if self._keys is None else self._keys.find(secret)

    def session_of(self, token: str) -> tuple[str, float] | None:
        """The session of one of our own access tokens and when that ends; None for any other
        text. An expired one is none."""
        try:
            checked = self._check(token) if token.startswith(_BEGINNING) else None
        except Unauthorized:
            return None
        if checked is None or checked.issuer is not None:
            return None
        session = checked.claims.more.get(SESSION_CLAIM)
        return (session, checked.claims.expires_s) if isinstance(session, str) else None

    def of_session(self, subject: str, scopes: tuple[str, ...] = ()) -> VirtualKey:
        """Who a session's subject is now. Raises `Unauthorized` where they are in force no more."""
        return narrowed(self._subject(subject), scopes)

    def user(self, tenant: str, name: str) -> User | None:
        """A person of a tenant in force, or None."""
        return self._people.get((tenant, name)) if tenant in self._tenants else None

    def _check(self, token: str) -> _Checked | None:
        """What a token says, its signature checked; None where no issuer that we know of made
        it. Raises `Unauthorized`."""
        known = self._checked
        checked = known.get(token)
        now_s = self._clock()
        if checked is not None:
            if checked.claims.expires_s <= now_s:
                known.pop(token, None)
                raise Unauthorized("This token has expired: get a new one.", code="token_expired")
            return checked
        trust = self._trusted.get(_issuer_of(token))
        if trust is None:
            return None
        claims = read_claims(signed(token, trust.keys), trust.expected, now_s)
        checked = _Checked(claims, trust.issuer)
        if len(token) <= REMEMBERED_CHARACTERS:
            _remember(known, token, checked)
        return checked

    def _admit(
        self, token: str, checked: _Checked, admitted: dict[str, tuple[float, VirtualKey]]
    ) -> VirtualKey:
        claims = checked.claims
        key = (
            self._own(claims) if checked.issuer is None else self._stranger(claims, checked.issuer)
        )
        if len(token) <= REMEMBERED_CHARACTERS:
            until_s: float = claims.expires_s
            if key.expires_ms is not None:
                until_s = min(until_s, key.expires_ms / 1000)
            _remember(admitted, token, (until_s, key))
        return key

    def _own(self, claims: Claims) -> VirtualKey:
        session = claims.more.get(SESSION_CLAIM)
        if not isinstance(session, str):
            raise refused()
        if session in self._tokens.ended or claims.issued_s < self._tokens.not_before_s:
            raise ended()
        scope = claims.more.get(SCOPE_CLAIM, "")
        if not isinstance(scope, str):
            raise refused()
        return narrowed(self._subject(claims.subject), tuple(scope.split()))

    def _subject(self, subject: str) -> VirtualKey:
        """A key or person of ours as they are now."""
        if subject.startswith(KEY_SUBJECT):
            key = self._by_id.get(subject.removeprefix(KEY_SUBJECT))
            if key is None or _over(key, self._clock()):
                raise ended()
            return key
        tenant, _, name = subject.removeprefix(USER_SUBJECT).partition("/")
        user = self._people.get((tenant, name))
        if user is None or user.suspended or tenant not in self._tenants:
            raise ended()
        return self._asking(user)

    def _stranger(self, claims: Claims, issuer: TrustedIssuer) -> VirtualKey:
        """A person of somebody else's. Who is written here has the rights that are written here."""
        said = user_of(issuer, claims.more)
        known = self._people.get((said.tenant, said.id))
        if said.tenant not in self._tenants or (known is None and issuer.rules.known):
            raise refused()
        if known is not None and known.suspended:
            raise refused()
        return self._asking(known or said)

    def _asking(self, user: User) -> VirtualKey:
        quota = self._quotas.get(user.tenant)
        return as_key(user, None if quota is None else quota.providers)


def _issuer_of(token: str) -> str:
    """Who says to have made a token; empty where it cannot be read. Nothing is believed yet."""
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        return ""
    try:
        issuer = read_object(payload_of(token)).get("iss")
    except Unauthorized:
        return ""
    return issuer if isinstance(issuer, str) else ""


def _trusted(ring: TokenRing) -> dict[str, _Trust]:
    """Issuers by name, ours last: nobody else may speak for us."""
    found = {each.issuer: _trust(each) for each in ring.issuers}
    keys = {name: _own_key(name, public) for name, public in ring.keys}
    expected = Expected(ring.issuer, ring.audience, ring.access_s)
    return found | {ring.issuer: _Trust(expected, keys, None)}


def _own_key(name: str, public: bytes) -> VerifyingKey:
    x = urlsafe_b64encode(public).rstrip(b"=").decode()
    return read_key({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": name})


def _trust(issuer: TrustedIssuer) -> _Trust:
    expected = Expected(issuer.issuer, issuer.audience, issuer.longest_s)
    return _Trust(expected, verifying_keys(issuer.keys), issuer)


def verifying_keys(texts: tuple[str, ...]) -> dict[str, VerifyingKey]:
    """The keys of a set, by their ids, that are of a kind which we take."""
    keys: dict[str, VerifyingKey] = {}
    for text in texts:
        try:
            key = read_key(msgspec.json.decode(text, type=dict[str, Any]))
        except (ConfigError, msgspec.DecodeError):
            continue
        keys[key.id] = key
    return keys


def _over(key: VirtualKey, now_s: float) -> bool:
    return key.expires_ms is not None and key.expires_ms <= now_s * 1000


def _remember(held: dict[str, Any], token: str, value: object) -> None:
    if len(held) >= REMEMBERED:
        held.pop(list(held)[0], None)  # noqa: RUF015 - in one step: another thread may be adding
    held[token] = value
