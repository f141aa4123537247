"""Tokens that are presented to us: what is let in, and every known way to cheat."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import shared

from federation.credentials.claims import SKEW_S, Claims, Expected, read_claims
from federation.credentials.jws import TOKEN_LIMIT, VerifyingKey, read_key, read_object, signed
from federation.errors import ConfigError, Unauthorized

SECRET = b"0123456789abcdef0123456789abcdef"
EXPECTED = Expected("https://issuer.test", "federation", 1800)
NOW = 1_000_000.0
GOOD = {
    "iss": EXPECTED.issuer,
    "aud": "federation",
    "sub": "ada",
    "iat": 999_999,
    "exp": 1_000_500,
}


def b64(value: bytes | str) -> str:
    text = value.encode() if isinstance(value, str) else value
    return urlsafe_b64encode(text).rstrip(b"=").decode()


OCT = {"kty": "oct", "k": b64(SECRET), "kid": "k1", "alg": "HS256"}
KEY = read_key(OCT)
KEYS = {"k1": KEY}


def token(head: str, payload: str = "{}", secret: bytes = SECRET) -> str:
    message = f"{b64(head)}.{b64(payload)}"
    return f"{message}.{b64(hmac.digest(secret, message.encode(), 'sha256'))}"


def pairs() -> list[tuple[str, Any, dict[str, Any]]]:
    """An algorithm, a key to sign with, and the JWK to check with."""
    kinds: list[tuple[str, Any, Any]] = [
        ("RS256", rsa.generate_private_key(65537, 2048), jwt.algorithms.RSAAlgorithm),
        ("ES256", ec.generate_private_key(ec.SECP256R1()), jwt.algorithms.ECAlgorithm),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate(), jwt.algorithms.OKPAlgorithm),
    ]
    return [
        (name, key, kind.to_jwk(key.public_key(), as_dict=True)) for name, key, kind in kinds
    ] + [("HS256", SECRET, OCT)]


def test_tokens_of_another_library_are_let_in_and_changed_ones_are_not() -> None:
    for algorithm, key, jwk in pairs():
        made = jwt.encode(GOOD, key, algorithm, headers={"kid": "k1"})
        keys = {"k1": read_key(jwk)}
        assert json.loads(signed(made, keys)) == GOOD
        head, payload, signature = made.split(".")
        other = b64(json.dumps(GOOD | {"sub": "eve"}))
        for forged in (
            f"{head}.{other}.{signature}",
            f"{head}.{payload}.",
            f"{head}.{payload}.{b64(bytes(64))}",
            f"{b64(json.dumps({'alg': 'none', 'kid': 'k1'}))}.{payload}.",
            made + ".",
            made + "=",
        ):
            with pytest.raises(Unauthorized):
                signed(forged, keys)


def test_a_public_key_is_no_secret() -> None:
    """The classic confusion: HS256 with the text of an RSA key, which everyone has."""
    _, _, jwk = pairs()[0]
    keys = {"k1": read_key(jwk)}
    for secret in (json.dumps(jwk).encode(), jwk["n"].encode()):
        with pytest.raises(Unauthorized):
            signed(token('{"alg":"HS256","kid":"k1"}', secret=secret), keys)


@pytest.mark.parametrize(
    "head",
    [
        '{"alg":"none","kid":"k1"}',
        '{"alg":"None","kid":"k1"}',
        '{"alg":"hs256","kid":"k1"}',
        '{"alg":"HS512","kid":"k1"}',
        '{"alg":["HS256"],"kid":"k1"}',
        '{"kid":"k1"}',
        '{"alg":"HS256","kid":"k2"}',
        '{"alg":"HS256","kid":""}',
        '{"alg":"HS256","kid":"../../dev/null"}',
        '{"alg":"HS256","kid":"k1\' OR 1=1"}',
        '{"alg":"HS256","kid":["k1"]}',
        '{"alg":"HS256","kid":1}',
        '{"alg":"none","alg":"HS256","kid":"k1"}',
        '{"alg":"HS256","kid":"k1","crit":["exp"]}',
        '{"alg":"HS256","kid":"k1","b64":false}',
        '{"alg":"HS256","kid":"k1","x":NaN}',
        '["HS256"]',
        "null",
        "",
        "{",
        '{"alg":"HS256","kid":"k1","x":"' + "a" * 1024 + '"}',
    ],
)
def test_a_header_does_not_choose_how_it_is_checked(head: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        signed(token(head), KEYS)
    assert caught.value.code == "invalid_token"


def test_a_key_that_a_token_brings_along_is_not_read() -> None:
    own = b"e" * 32
    head = {"alg": "HS256", "jwk": {"kty": "oct", "k": b64(own)}, "jku": "https://evil.test"}
    with pytest.raises(Unauthorized):
        signed(token(json.dumps(head), secret=own), KEYS)
    assert signed(token(json.dumps(head)), KEYS) == b"{}"


def test_a_token_without_a_name_is_for_the_only_key() -> None:
    assert signed(token('{"alg":"HS256"}'), KEYS) == b"{}"
    with pytest.raises(Unauthorized):
        signed(token('{"alg":"HS256"}'), KEYS | {"k2": KEY})


def test_a_token_has_a_size() -> None:
    with pytest.raises(Unauthorized):
        signed(token('{"alg":"HS256"}', "a" * TOKEN_LIMIT), KEYS)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60) | st.text("abcAZ019-_.=", max_size=60))
def test_whatever_is_sent_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(Unauthorized):
        signed(text, KEYS)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60))
def test_whatever_a_payload_holds_is_an_object_or_refused(payload: bytes) -> None:
    try:
        found = read_object(payload)
    except Unauthorized:
        return
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": b64(b"short")},
        OCT | {"alg": "HS512"},
        OCT | {"alg": "none"},
        OCT | {"use": "enc"},
        OCT | {"key_ops": ["sign"]},
        OCT | {"key_ops": None},
        OCT | {"kty": ["oct"]},
        OCT | {"crv": {}},
        {"kty": "oct"},
        {"kty": "oct", "k": 1},
        {"kty": "oct", "k": "=="},
        {"kty": "EC", "crv": "P-256", "x": b64(b"1" * 32), "y": b64(b"1" * 32)},
        {"kty": "EC", "crv": "P-521", "x": "", "y": ""},
        {"kty": "RSA", "n": b64(b"\x01" * 64), "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": b64(b"1")},
        {},
    ],
)
def test_a_key_that_is_weak_or_for_something_else_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_key(jwk)
    assert str(jwk.get("k", "no secret")) not in str(caught.value) or jwk.get("k") in (1, "==")


def test_no_secret_is_shown() -> None:
    assert "check" not in repr(KEY)
    assert b64(SECRET) not in repr(KEY)


# Claims


def claims(now_s: float = NOW, **changed: Any) -> Claims:
    said = {name: value for name, value in (GOOD | changed).items() if value is not None}
    return read_claims(json.dumps(said).encode(), EXPECTED, now_s)


def test_claims_that_hold_are_read() -> None:
    found = claims(role="owner", aud=["other", "federation"], nbf=NOW)
    assert (found.subject, found.issued_s, found.expires_s) == ("ada", 999_999, 1_000_500)
    assert found.more["role"] == "owner"


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [None, "", 0, [], {}, True, -1, ["federation "]])
def test_a_claim_that_is_missing_or_wrong_lets_nobody_in(name: str, value: Any) -> None:
    with pytest.raises(Unauthorized) as caught:
        claims(**{name: value})
    assert caught.value.code == "invalid_token"


@pytest.mark.parametrize(
    "changed",
    [
        {"iat": NOW + SKEW_S + 1, "exp": NOW + 600},
        {"nbf": NOW + SKEW_S + 1},
        {"nbf": "soon"},
        {"exp": 999_999 + 1801},
        {"exp": 999_999},
        {"exp": 10**400},
        {"exp": 1e300},
        {"iat": float("inf")},
        {"aud": ["federation", 1]},
        {"sub": "a" * 513},
    ],
)
def test_times_and_names_have_bounds(changed: dict[str, Any]) -> None:
    with pytest.raises(Unauthorized) as caught:
        claims(**changed)
    assert caught.value.code == "invalid_token"


def test_an_end_is_not_later_than_it_says() -> None:
    assert claims(now_s=1_000_499.9).subject == "ada"
    for now_s in (1_000_500, 1_000_500 + SKEW_S):
        with pytest.raises(Unauthorized) as caught:
            claims(now_s=now_s)
        assert caught.value.code == "token_expired"


def test_a_claim_that_comes_twice_is_refused() -> None:
    text = json.dumps(GOOD)[:-1] + ',"sub":"eve"}'
    with pytest.raises(Unauthorized):
        read_claims(text.encode(), EXPECTED, NOW)


# Wycheproof


def usable(jwk: dict[str, Any]) -> VerifyingKey | None:
    try:
        return read_key(jwk)
    except ConfigError:
        return None


@pytest.mark.real_data
def test_the_vectors_of_wycheproof() -> None:
    path = shared("vectors/wycheproof/json_web_signature_test.json")
    checked = {"valid": 0, "invalid": 0}
    wrong = []
    groups = json.loads(path.read_text())["testGroups"]
    for group in groups:
        right = {test["jws"] for test in group["tests"] if expected(test)}
        jwk = group.get("public") or group["private"]
        key = usable(jwk)
        for test in group["tests"]:
            let_in = False
            if key is not None:
                try:
                    named = json.loads(urlsafe(test["jws"])).get("kid", "")
                    signed(test["jws"], {named: key})
                    let_in = True
                except (Unauthorized, ValueError, AttributeError):
                    pass
            elif test["result"] == "valid":
                continue  # an algorithm or a key that we do not take at all
            # Two vectors for wrong padding are, byte for byte, one of the right tokens.
            right_one = test["jws"] in right
            checked["valid" if right_one else "invalid"] += 1
            if let_in != right_one:
                wrong.append((test["tcId"], test["result"], test["comment"], test["flags"]))
    assert wrong == []
    assert checked["valid"] >= 10
    assert checked["invalid"] >= 350


def expected(test: dict[str, Any]) -> bool:
    """Whether a vector is to be let in. Two are called valid though they hold a character that
    base64url does not have (RFC 7515 section 2)."""
    return test["result"] == "valid" and "?" not in test["jws"]


def urlsafe(jws: str) -> bytes:
    """The header of a token, read with more lenience than ours."""
    from base64 import urlsafe_b64decode

    first = jws.partition(".")[0]
    return urlsafe_b64decode(first + "=" * (-len(first) % 4))
