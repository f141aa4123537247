"""Refresh tokens, signing keys, lockout: the pure parts of a session."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from dataclasses import replace

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_world import NOW, SIGNER

from federation.credentials.issuing import (
    AHEAD_S,
    SIGNS_S,
    SPARE_S,
    SigningKey,
    access_token,
    jwks,
    schedule,
)
from federation.credentials.lockout import (
    FAILURES,
    FIRST_S,
    FORGIVEN_S,
    LONGEST_S,
    WINDOW_S,
    Lockout,
    source_name,
)
from federation.credentials.refreshes import (
    GRACE_S,
    Turn,
    proven,
    read_refresh,
    refresh_token,
    turn_of,
)
from federation.domain.sign_in import TokenRing

KEY, SALT = b"k" * 32, b"s" * 16
SESSION = "ses_" + "0123456789abcdef" * 2


def test_a_refresh_token_proves_its_session_and_its_count() -> None:
    text = refresh_token(KEY, SALT, SESSION, 7)
    said = read_refresh(text)
    assert said is not None
    assert (said.session, said.n) == (SESSION, 7)
    assert proven(said, KEY, SALT)
    assert not proven(said, b"x" * 32, SALT)
    assert not proven(said, KEY, b"x" * 16)
    assert not proven(replace(said, n=8), KEY, SALT)
    assert not proven(replace(said, session="ses_" + "f" * 32), KEY, SALT)
    assert text == refresh_token(KEY, SALT, SESSION, 7)
    assert said.proof not in repr(said)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fedr_",
        "fed_x",
        f"fedr_{SESSION}",
        f"fedr_{SESSION}.1.",
        f"fedr_{SESSION}.-1.{'a' * 43}",
    ],
)
def test_what_is_no_refresh_token_is_none(text: str) -> None:
    assert read_refresh(text) is None


@settings(deadline=None)
@given(st.text())
def test_any_text_is_none_or_a_token(text: str) -> None:
    good = refresh_token(KEY, SALT, SESSION, 1)
    for each in (text, good + text, text + good):
        said = read_refresh(each)
        assert said is None or each == good
    assert read_refresh(good + "\n") is None


def test_only_the_last_token_and_for_a_moment_is_given_out_again() -> None:
    said = read_refresh(refresh_token(KEY, SALT, SESSION, 4))
    assert said is not None
    assert turn_of(said, 4, NOW, NOW + 1e6) is Turn.NEW
    assert turn_of(said, 5, NOW, NOW + GRACE_S) is Turn.AGAIN
    assert turn_of(said, 5, NOW, NOW + GRACE_S + 0.1) is Turn.REUSED
    back = turn_of(said, 5, NOW, NOW - GRACE_S - 0.1)
    assert back is Turn.REUSED, "a clock that was set back makes no grace of an hour"
    assert turn_of(said, 6, NOW, NOW) is Turn.REUSED
    assert turn_of(said, 3, NOW, NOW) is Turn.REUSED


def test_an_access_token_is_a_jwt_that_others_can_check() -> None:
    ring = TokenRing(1, "https://gateway.test", keys=((SIGNER.id, SIGNER.public),))
    token = access_token(SIGNER, ring, "user:default/ada", SESSION, ("infer",), "j1", NOW)
    (key,) = jwt.PyJWKSet.from_dict(jwks(ring)).keys
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, key, ["EdDSA"], audience="federation", options=options)  # type: ignore[arg-type]
    assert claims == {
        "iss": "https://gateway.test",
        "aud": "federation",
        "sub": "user:default/ada",
        "iat": NOW,
        "exp": NOW + 1_800,
        "jti": "j1",
        "sid": SESSION,
        "scope": "infer",
    }
    head = json.loads(urlsafe_b64decode(token.split(".")[0] + "=="))
    assert head == {"alg": "EdDSA", "typ": "at+jwt", "kid": "tk_1"}
    assert repr(SIGNER).count("b'") == 0


def keyed(n: int, from_s: int) -> SigningKey:
    return SigningKey(n, f"tk_{n}", bytes([n]) * 32, from_s)


def test_the_first_key_signs_at_once() -> None:
    plan = schedule([], NOW, 1_800)
    assert (plan.signs, plan.tells, plan.next_from_s) == (None, (), NOW)
    plan = schedule([keyed(1, NOW)], NOW, 1_800)
    assert plan.signs is not None
    assert plan.next_from_s is None


def test_a_key_is_told_before_it_signs_and_after_it_did() -> None:
    first = keyed(1, NOW)
    end = NOW + SIGNS_S
    due = schedule([first], end - AHEAD_S, 1_800)
    assert due.next_from_s == end
    keys = [first, keyed(2, end)]
    before = schedule(keys, end - 1, 1_800)
    assert before.signs == first
    assert before.tells == tuple(keys)
    assert before.next_from_s is None
    after = schedule(keys, end + 1_800 + SPARE_S, 1_800)
    assert after.signs == keys[1]
    assert after.tells == tuple(keys)
    late = schedule(keys, end + 1_800 + SPARE_S + 1, 1_800)
    assert (late.tells, late.spent) == ((keys[1],), (first,))


def test_a_gateway_that_slept_for_months_still_tells_a_key_before_it_signs() -> None:
    plan = schedule([keyed(1, NOW)], NOW + 10 * SIGNS_S, 1_800)
    assert plan.signs is not None
    assert plan.next_from_s == NOW + 10 * SIGNS_S + AHEAD_S


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 40 * 86_400), max_size=12), st.integers(60, 86_400))
def test_whatever_was_signed_is_believed_to_its_end(steps: list[int], access_s: int) -> None:
    """A walk through time: at each step the plan is followed, and a token is signed."""
    now, keys = NOW, [keyed(1, NOW)]
    signed: list[tuple[SigningKey, int]] = []
    for n, step in enumerate(steps, 2):
        now += step
        plan = schedule(keys, now, access_s)
        told = set(plan.tells)
        assert all(key in told for key, expires in signed if expires > now)
        assert plan.signs is not None
        signed.append((plan.signs, now + access_s))
        keys = [key for key in keys if key not in plan.spent]
        if plan.next_from_s is not None:
            assert plan.next_from_s >= now + AHEAD_S
            keys.append(keyed(n, plan.next_from_s))


class TestLockout:
    def test_five_failures_lock_and_four_do_not(self) -> None:
        lockout = Lockout()
        for n in range(FAILURES - 1):
            lockout.fail(["a"], n)
        assert lockout.wait_s(["a"], 10) == 0
        lockout.fail(["a", "b"], 10)
        assert lockout.wait_s(["a"], 10) == FIRST_S
        assert lockout.wait_s(["b"], 10) == 0
        assert lockout.wait_s(["b", "a"], 40) == FIRST_S - 30
        assert lockout.wait_s(["a"], 10 + FIRST_S) <= 0

    def test_failures_that_lie_far_apart_do_not_add_up(self) -> None:
        lockout = Lockout()
        for n in range(20):
            lockout.fail(["a"], n * WINDOW_S / 4)
            assert lockout.wait_s(["a"], n * WINDOW_S / 4) == 0

    def test_each_further_lock_is_twice_as_long_until_it_is_forgiven(self) -> None:
        lockout, now = Lockout(), 0.0
        waits = []
        for _ in range(9):
            for _ in range(FAILURES):
                lockout.fail(["a"], now)
            waits.append(lockout.wait_s(["a"], now))
            now += waits[-1]
        assert waits == [min(FIRST_S * 2**n, LONGEST_S) for n in range(9)]
        now += FORGIVEN_S + 1
        for _ in range(FAILURES):
            lockout.fail(["a"], now)
        assert lockout.wait_s(["a"], now) == FIRST_S

    def test_names_have_a_bound_and_the_locked_stay_longest(self) -> None:
        lockout = Lockout(most=100)
        for _ in range(FAILURES):
            lockout.fail(["locked"], 0)
        for n in range(1_000):
            lockout.fail([f"n{n}"], 1)
            assert len(lockout) <= 100
        assert lockout.wait_s(["locked"], 1) > 0

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            ("203.0.113.7", "203.0.113.8", False),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
            ("::ffff:203.0.113.7", "203.0.113.7", True),
            ("[2001:db8::1]", "2001:db8::1", True),
            ("", "nonsense", True),
        ],
    )
    def test_a_source_is_an_address_or_a_network_of_one_owner(
        self, one: str, other: str, same: bool
    ) -> None:
        assert (source_name(one) == source_name(other)) is same
