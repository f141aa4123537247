"""Signatures on tokens that are presented to us: JWS in compact form (RFC 7515, RFC 8725).

The trap: a token names its own algorithm, and must not choose it. The algorithm is pinned to
the key when the key is read; a header that says another one is refused before anything is
computed. Keys are only ever ours: what a header brings along (`jwk`, `jku`, `x5u`) is not read.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from federation.credentials.plans import unusable
from federation.errors import Unauthorized

TOKEN_LIMIT: Final = 8_192
"""Characters; one that is longer is refused unread."""
_HEADER_LIMIT: Final = 1_024
_SHORTEST_SECRET: Final = 32
_RSA_BITS: Final = (2_048, 8_192)
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]*\Z")
_Check = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A key and the one algorithm that it is for."""

    id: str
    algorithm: str
    check: _Check = field(repr=False)
    """Whether (message, signature) belong together."""


def read_key(jwk: Mapping[str, Any]) -> VerifyingKey:
    """A key out of its JWK (RFC 7517, RFC 8037) for HS256, RS256, ES256 or EdDSA.

    Raises `ConfigError` for a key that is for something else, too short, or malformed.
    """
    uses = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(uses, list) or "verify" not in uses:
        raise unusable("the key is not for checking signatures")
    kind = (jwk.get("kty"), jwk.get("crv"))
    if not all(isinstance(each, str | None) for each in kind) or kind not in _KINDS:
        raise unusable("keys are of type oct, RSA, EC with P-256, or OKP with Ed25519")
    algorithm, make = _KINDS[kind]
    if jwk.get("alg", algorithm) not in (algorithm, "Ed25519" if algorithm == "EdDSA" else ""):
        raise unusable(f"a key of this type is for {algorithm} alone")
    try:
        check = make(jwk)
    except (KeyError, ValueError, TypeError):
        raise unusable("the key cannot be read: see RFC 7517 for its form") from None
    return VerifyingKey(str(jwk.get("kid", "")), algorithm, check)


def signed(token: str, keys: Mapping[str, VerifyingKey]) -> bytes:
    """What a token says, once its signature is checked with the key that it names (or, naming
    none, the only one). `keys` are by their ids. Raises `Unauthorized`."""
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        raise _refused()
    message, _, last = token.rpartition(".")
    first, _, middle = message.partition(".")
    head = _header(_decoded(first))
    key = _chosen(head, keys)
    if head.get("alg") != key.algorithm:
        raise _refused()
    if not key.check(message.encode(), _decoded(last)):
        raise _refused()
    return _decoded(middle)


def payload_of(token: str) -> bytes:
    """What a token says, not believed yet: for finding whose keys to check it with. Raises
    `Unauthorized` where there is nothing to read."""
    if len(token) > TOKEN_LIMIT or token.count(".") != 2:
        raise _refused()
    return _decoded(token.split(".")[1])


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object in which no name comes twice. Raises `Unauthorized`.

    Of a name that comes twice every reader takes another one, so nobody could say what was
    signed.
    """
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _refused() from None
    if not isinstance(found, dict):
        raise _refused()
    return found


def _chosen(head: Mapping[str, Any], keys: Mapping[str, VerifyingKey]) -> VerifyingKey:
    name = head.get("kid")
    if name is None and len(keys) == 1:
        return next(iter(keys.values()))
    key = keys.get(name) if isinstance(name, str) else None
    if key is None:
        raise _refused()
    return key


def _header(text: bytes) -> dict[str, Any]:
    if len(text) > _HEADER_LIMIT:
        raise _refused()
    head = read_object(text)
    # An extension that has to be understood (RFC 7515 section 4.1.11), and we know none.
    if "crit" in head or "b64" in head:
        raise _refused()
    return head


def _decoded(part: str) -> bytes:
    """Base64url without padding, in the one spelling that each value has."""
    if not _BASE64.match(part) or len(part) % 4 == 1:
        raise _refused()
    value = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(value).rstrip(b"=").decode() != part:
        raise _refused()
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse(_: str) -> Any:
    raise ValueError  # NaN and the infinities are not JSON


def _refused() -> Unauthorized:
    """One answer to every fault: which one it was helps only who forges tokens."""
    return Unauthorized("This token is not valid.", code="invalid_token")


def _bytes(jwk: Mapping[str, Any], name: str) -> bytes:
    text = jwk[name]
    if not isinstance(text, str) or not _BASE64.match(text):
        raise ValueError
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(jwk: Mapping[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(jwk, name), "big")


def _hs256(jwk: Mapping[str, Any]) -> _Check:
    secret = _bytes(jwk, "k")
    if len(secret) < _SHORTEST_SECRET:
        raise unusable(f"a secret for HS256 has at least {_SHORTEST_SECRET} bytes")

    def check(message: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, message, "sha256"), signature)

    return check


def _rs256(jwk: Mapping[str, Any]) -> _Check:
    key = RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
    if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
        raise unusable("an RSA key has 2048 to 8192 bits")

    def check(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True

    return check


def _es256(jwk: Mapping[str, Any]) -> _Check:
    point = EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), SECP256R1())
    key = point.public_key()

    def check(message: bytes, signature: bytes) -> bool:
        # Two numbers of 32 bytes (RFC 7518 section 3.4), not the DER of X.509.
        if len(signature) != 64:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        try:
            key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    return check


def _eddsa(jwk: Mapping[str, Any]) -> _Check:
    key = Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x"))

    def check(message: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    return check


_KINDS: Final[dict[tuple[Any, Any], tuple[str, Callable[[Mapping[str, Any]], _Check]]]] = {
    ("oct", None): ("HS256", _hs256),
    ("RSA", None): ("RS256", _rs256),
    ("EC", "P-256"): ("ES256", _es256),
    ("OKP", "Ed25519"): ("EdDSA", _eddsa),
}
