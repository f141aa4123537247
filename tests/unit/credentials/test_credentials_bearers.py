"""Who presents a secret: what each kind of bearer may do, and every way to be one who may not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from token_world import (
    ADA,
    FOREIGN,
    NOW,
    SHARED,
    SIGNER,
    Door,
    Party,
    a_key,
    b64,
    shared_token,
)

from federation.credentials import bearers
from federation.credentials.bearers import REMEMBERED, Bearers
from federation.credentials.issuing import access_token
from federation.credentials.jws import signed
from federation.credentials.subjects import subject_of
from federation.domain.access import Role
from federation.domain.sign_in import ClaimRules, TrustedIssuer
from federation.domain.tenancy import Quota, User
from federation.errors import Unauthorized

ANY = ClaimRules(known=False)


def refusal(door: Door, token: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        door.find(token)
    return caught.value.code


def test_a_key_is_found_by_its_secret_and_by_a_token_of_its_session() -> None:
    door = Door()
    assert door.find("fed_secret") == door.keys[0]
    assert door.find(door.token()) == door.keys[0]
    assert door.find("fed_other") is None
    assert door.find("") is None


def test_before_any_ring_nobody_is_found() -> None:
    empty = Bearers(lambda: NOW)
    assert empty.find("fed_secret") is None
    assert empty.find(Door().token()) is None


def test_a_person_asks_with_the_rights_that_they_have_now() -> None:
    door = Door()
    token = door.token("user:default/ada")
    found = door.find(token)
    assert found is not None
    assert (found.id, found.user, found.team) == ("user:default/ada", "ada", "red")
    assert found.role is Role.OWNER
    assert subject_of(found) == "user:default/ada"
    door.people = (replace(ADA, role=Role.VIEWER, team="blue"),)
    door.put()
    changed = door.find(token)
    assert changed is not None
    assert (changed.role, changed.team) == (Role.VIEWER, "blue")
    assert changed.most_providers is None
    door.quotas = {"default": Quota(providers=5)}
    door.put()
    bound = door.find(token)
    assert bound is not None
    assert bound.most_providers == 5


@pytest.mark.parametrize(
    "change",
    [
        {"people": ()},
        {"people": (replace(ADA, suspended=True),)},
        {"tenants": frozenset({"other"})},
    ],
)
def test_a_person_out_of_force_is_refused_with_the_next_ring(change: dict[str, Any]) -> None:
    door = Door()
    token = door.token("user:default/ada")
    door.find(token)
    for name, value in change.items():
        setattr(door, name, value)
    door.put()
    assert refusal(door, token) == "token_revoked"


def test_a_token_ends_with_its_key() -> None:
    door = Door()
    token = door.token()
    door.find(token)
    door.keys = ()
    door.put()
    assert refusal(door, token) == "token_revoked"
    door.keys = (a_key(expires_ms=(NOW + 60) * 1000),)
    door.put()
    assert door.find(token) == door.keys[0]
    door.now = NOW + 60
    assert refusal(door, token) == "token_revoked"


def test_a_rotated_key_is_itself_and_not_its_former_secret() -> None:
    door = Door()
    former = a_key(secret="fed_former", expires_ms=(NOW + 5) * 1000)
    door.keys = (a_key(), former)
    door.put()
    assert door.find(door.token()) == door.keys[0]


def test_a_session_that_ended_is_refused_and_others_go_on() -> None:
    door = Door()
    token, other = door.token(), door.token(session="ses_2")
    assert door.find(token) == door.find(other)
    door.tokens = replace(door.tokens, ended=frozenset({"ses_1"}))
    door.put()
    assert refusal(door, token) == "token_revoked"
    assert door.find(other) == door.keys[0]


def test_tokens_from_before_a_line_are_refused() -> None:
    door = Door()
    token = door.token()
    door.tokens = replace(door.tokens, not_before_s=NOW + 1)
    door.put()
    assert refusal(door, token) == "token_revoked"
    door.now = NOW + 1
    assert door.find(door.token()) == door.keys[0]


def test_an_expired_token_says_so_whether_it_is_remembered_or_not() -> None:
    door = Door()
    token = door.token()
    door.find(token)
    door.now = NOW + door.tokens.access_s
    assert refusal(door, token) == "token_expired"
    assert refusal(door, token) == "token_expired"


def test_a_key_that_signs_no_more_is_not_believed() -> None:
    door = Door()
    token = door.token()
    door.find(token)
    other = replace(SIGNER, id="tk_2", seed=b"t" * 32)
    door.tokens = replace(door.tokens, keys=((other.id, other.public),))
    door.put()
    assert refusal(door, token) == "invalid_token"


def test_scopes_take_away_and_never_give() -> None:
    door = Door()
    found = door.find(door.token(scopes=("infer", "keys.read")))
    assert found is not None
    assert found.scopes == ("infer", "keys.read")
    assert found.allows("infer")
    assert not found.allows("keys.change")
    door.keys = (a_key(scopes=("infer",)),)
    door.put()
    narrow = door.find(door.token(scopes=("infer", "keys.read")))
    assert narrow is not None
    assert narrow.scopes == ("infer",)
    assert refusal(door, door.token(scopes=("keys.read",))) == "invalid_token"
    assert door.find(door.token()) == door.keys[0]


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("key:", "token_revoked"),
        ("key:nobody", "token_revoked"),
        ("key:../key_1", "token_revoked"),
        ("key:' OR 1=1 --", "token_revoked"),
        ("user:default", "token_revoked"),
        ("user:other/ada", "token_revoked"),
        ("user:default/ada/", "token_revoked"),
        ("nonsense", "token_revoked"),
    ],
)
def test_a_subject_is_looked_up_and_not_read(subject: str, code: str) -> None:
    door = Door()
    assert refusal(door, door.token(subject)) == code


@pytest.mark.parametrize(
    "more",
    [
        {"sid": None},
        {"sid": 7},
        {"sid": ["ses_1"]},
        {"scope": ["infer"]},
        {"scope": {}},
        {"aud": "other"},
        {"exp": NOW + 100_000},
        {"iat": NOW + 31},
        {"iat": True},
        {"exp": str(NOW + 60)},
    ],
)
def test_our_own_claims_are_of_their_types(more: dict[str, Any]) -> None:
    door = Door()
    head, payload, _ = door.token().split(".")
    claims = json.loads(urlsafe_b64decode(payload + "=="))
    claims |= more
    message = f"{head}.{b64(json.dumps(claims))}"
    token = f"{message}.{b64(SIGNER.sign(message.encode()))}"
    assert refusal(door, token) == "invalid_token"


def test_a_token_for_another_gateway_is_no_token_here() -> None:
    door = Door()
    theirs = replace(door.tokens, issuer="another")
    token = access_token(SIGNER, theirs, "key:key_1", "s", (), "j", NOW)
    assert door.find(token) is None


def test_what_is_no_token_is_looked_up_as_a_key() -> None:
    door = Door(keys=(a_key(secret="eyJ.is.mine"),))
    assert door.find("eyJ.is.mine") == door.keys[0]
    for odd in ("eyJ", "eyJ..", "eyJ.é.x", "eyJ" + "a" * 9_000, f"eyJ.{b64('[]')}.x"):
        assert door.find(odd) is None
    deep = "[" * 5_000 + "]" * 5_000
    for payload in (f'{{"iss": {deep}}}', '{"iss": 7}', '{"iss":"a","iss":"b"}'):
        assert door.find(f"eyJ.{b64(payload)}.x") is None


class TestOthersTokens:
    def test_a_known_person_has_the_rights_that_are_written_here(self) -> None:
        door, party = Door(), Party()
        rules = ClaimRules(role_claim="groups", roles=(("boss", Role.ADMIN),))
        door.believe(party.trusted(rules))
        found = door.find(party.token({"groups": ["boss"]}))
        assert found is not None
        assert (found.user, found.role, found.team) == ("ada", Role.OWNER, "red")

    def test_somebody_unknown_comes_only_where_that_is_said(self) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted())
        assert refusal(door, party.token({"sub": "bob"})) == "invalid_token"
        door.believe(party.trusted(ANY))
        found = door.find(party.token({"sub": "bob"}))
        assert found is not None
        assert (found.user, found.role, found.tenant) == ("bob", Role.DEVELOPER, "default")

    def test_claims_say_tenant_team_and_role(self) -> None:
        door, party = Door(), Party()
        rules = ClaimRules(
            tenant_claim="org",
            team_claim="dept",
            role_claim="groups",
            role=Role.VIEWER,
            roles=(("ops", Role.OWNER), ("dev", Role.DEVELOPER)),
            known=False,
        )
        door.believe(party.trusted(rules))
        said = {"org": "other", "dept": "blue", "groups": ["dev", "ops"]}
        found = door.find(party.token(said))
        assert found is not None
        assert (found.tenant, found.team, found.role) == ("other", "blue", Role.OWNER)
        plain = door.find(party.token(said | {"groups": "dev", "dept": "No Team!"}))
        assert plain is not None
        assert (plain.team, plain.role) == ("", Role.DEVELOPER)
        none = door.find(party.token(said | {"groups": {"ops": 1}, "dept": 7}))
        assert none is not None
        assert none.role is Role.VIEWER
        for org in ("nobody", "", None, 7, ["other"], "o" * 600):
            assert refusal(door, party.token(said | {"org": org})) == "invalid_token"

    def test_a_suspended_person_stays_out_whatever_their_issuer_says(self) -> None:
        door, party = Door(people=(replace(ADA, suspended=True),)), Party()
        door.believe(party.trusted(ANY))
        assert refusal(door, party.token()) == "invalid_token"

    def test_an_address_counts_only_where_it_was_verified(self) -> None:
        people = (User("ada@corp.test", "default", "Ada", 0, Role.OWNER),)
        door, party = Door(people=people), Party()
        door.believe(party.trusted(ClaimRules(user_claim="email")))
        good = {"email": "Ada@Corp.test", "email_verified": True}
        found = door.find(party.token(good))
        assert found is not None
        assert found.user == "ada@corp.test"
        for verified in (False, None, "true", 1):
            assert (
                refusal(door, party.token(good | {"email_verified": verified})) == "invalid_token"
            )
        assert refusal(door, party.token({"email_verified": True})) == "invalid_token"

    def test_subjects_that_differ_are_different_people(self) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY))
        names = ("Bob", "bob", "BOB", "auth0|bob", "b\u043eb", "bob\u200b", " bob", "x" * 300)
        ids = set()
        for name in names:
            found = door.find(party.token({"sub": name}))
            assert found is not None
            ids.add(found.user)
        assert len(ids) == len(names)
        again = door.find(party.token({"sub": "auth0|bob", "jti": "2"}))
        assert again is not None
        assert again.user in ids

    def test_issuers_that_only_look_alike_are_others(self) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY))
        for name in (
            FOREIGN + "/",
            FOREIGN.upper(),
            "https://l\u043egin.test",
            "https://login.test\u200b",
            "https://login.test:443",
            "http://login.test",
            "https://login.test#",
            "",
        ):
            assert door.find(party.token({"iss": name})) is None
        for issuer in (None, 7, [FOREIGN], {"a": 1}):
            assert door.find(party.token({"iss": issuer})) is None

    def test_one_issuer_does_not_speak_for_another(self) -> None:
        door = Door()
        one, two = Party("https://one.test"), Party("https://two.test")
        door.believe(one.trusted(ANY), replace(two.trusted(ANY), name="two"))
        assert door.find(one.token()) is not None
        forged = Party("https://two.test", key=one.key)
        assert refusal(door, forged.token()) == "invalid_token"

    def test_nobody_speaks_for_us(self) -> None:
        party = Party("federation")
        door = Door()
        door.believe(party.trusted(ANY))
        assert refusal(door, party.token({"sub": "key:key_1", "sid": "s"})) == "invalid_token"

    def test_another_audience_is_refused(self) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY, audience="this-gateway"))
        assert refusal(door, party.token()) == "invalid_token"
        assert door.find(party.token({"aud": ["x", "this-gateway"]})) is not None

    @pytest.mark.parametrize(
        "head",
        [
            {"alg": "none"},
            {"alg": "HS256"},
            {"alg": "RS256"},
            {"kid": "../../../etc/passwd"},
            {"kid": "x' UNION SELECT 'k"},
            {"kid": "https://evil.test/jwks.json"},
            {"kid": "f1\u0000"},
            {"kid": ["f1"]},
            {"jku": "https://evil.test/jwks.json", "kid": "evil"},
            {"jwk": Party().jwk, "kid": "evil"},
            {"crit": ["exp"]},
        ],
    )
    def test_a_header_chooses_neither_key_nor_algorithm(self, head: dict[str, Any]) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY))
        assert refusal(door, party.token(**head)) == "invalid_token"

    @pytest.mark.parametrize("name", ["sub", "aud", "exp", "iat"])
    def test_a_claim_that_is_missing_is_not_one_that_holds(self, name: str) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY))
        assert refusal(door, party.token({name: None})) == "invalid_token"

    def test_a_claim_that_comes_twice_is_refused(self) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY))
        said = f'"iss":"{FOREIGN}","aud":"federation","iat":{NOW},"exp":{NOW + 60}'
        token = party.signed(f'{{{said},"sub":"ada","sub":"eve"}}')
        assert door.find(token) is None

    def test_clocks_may_differ_a_little(self) -> None:
        door, party = Door(), Party()
        door.believe(party.trusted(ANY))
        assert door.find(party.token({"iat": NOW + 30})) is not None
        assert refusal(door, party.token({"iat": NOW + 31, "exp": NOW + 90})) == "invalid_token"
        assert refusal(door, party.token({"nbf": NOW + 31})) == "invalid_token"
        assert refusal(door, party.token({"iat": NOW - 60, "exp": NOW})) == "token_expired"

    def test_a_shared_secret_is_for_one_algorithm_and_long_enough(self) -> None:
        door = Door()
        jwk = json.dumps({"kty": "oct", "k": b64(SHARED)})
        trusted = TrustedIssuer("own", "legacy", "federation", 3_600, ANY, (jwk,))
        door.believe(trusted)
        said = {"iss": "legacy", "aud": "federation", "sub": "bob", "iat": NOW, "exp": NOW + 60}
        found = door.find(shared_token(said))
        assert found is not None
        assert found.user == "bob"
        assert refusal(door, shared_token(said, b"x" * 32)) == "invalid_token"
        short = json.dumps({"kty": "oct", "k": b64(SHARED[:31])})
        door.believe(replace(trusted, keys=(short,)))
        assert refusal(door, shared_token(said, SHARED[:31])) == "invalid_token"

    def test_a_key_of_a_kind_that_we_do_not_take_leaves_the_others_good(self) -> None:
        door, party = Door(), Party()
        trusted = party.trusted(ANY)
        odd = ('{"kty":"EC","crv":"P-521"}', "nonsense", '{"use":"enc"}', "[]")
        door.believe(replace(trusted, keys=(*odd, *trusted.keys)))
        assert door.find(party.token()) is not None


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearers, "REMEMBERED", 3)
    door, party = Door(), Party()
    door.believe(party.trusted(ANY))
    tokens = [party.token({"sub": f"u{n}"}) for n in range(5)]
    for token in tokens:
        assert door.find(token) is not None
    held = door.bearers
    assert list(held._admitted) == list(held._checked) == tokens[2:]
    long = party.token({"pad": "x" * 5_000})
    assert door.find(long) is not None
    assert long not in held._admitted
    for _ in range(3):
        with pytest.raises(Unauthorized):
            door.find(tokens[0][:-4] + "AAAA")
    assert list(held._checked) == tokens[2:]
    assert REMEMBERED >= 1_000


def test_a_session_is_read_off_our_own_tokens_alone() -> None:
    door, party = Door(), Party()
    door.believe(party.trusted(ANY))
    assert door.bearers.session_of(door.token()) == ("ses_1", NOW + door.tokens.access_s)
    assert door.bearers.session_of(party.token({"sid": "ses_1"})) is None
    assert door.bearers.session_of("fed_secret") is None
    assert door.bearers.session_of(door.token()[:-4] + "AAAA") is None
    door.now += 10_000
    assert door.bearers.session_of(party.token()) is None


def test_the_holder_of_a_session_is_found_as_they_are_now() -> None:
    door = Door()
    assert door.bearers.of_session("key:key_1") == door.keys[0]
    assert door.bearers.of_session("user:default/ada", ("infer",)).scopes == ("infer",)
    with pytest.raises(Unauthorized):
        door.bearers.of_session("key:gone")
    assert door.bearers.user("default", "ada") == ADA
    assert door.bearers.user("nobody", "ada") is None


def test_a_signature_is_checked_once_while_its_key_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks: list[str] = []

    def counted(token: str, keys: Any) -> bytes:
        checks.append(token)
        return signed(token, keys)

    monkeypatch.setattr(bearers, "signed", counted)
    door = Door()
    token = door.token()
    for _ in range(3):
        door.find(token)
        door.put()
    assert len(checks) == 1
    door.believe(Party().trusted(ANY))
    door.find(token)
    assert len(checks) == 2


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=80), st.integers(0, 2))
def test_nothing_that_is_put_in_place_of_a_part_lets_anybody_in(part: str, place: int) -> None:
    door = Door()
    parts = door.token().split(".")
    if part == parts[place]:
        return
    parts[place] = part
    with suppress(Unauthorized):
        assert door.find(".".join(parts)) is None
