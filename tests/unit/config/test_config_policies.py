"""Policies as written: what loads, and what is refused with its file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from config_world import a_catalogue

from federation.config import policies, policies_tests, policies_words
from federation.config.policies_packs import pack, pack_names
from federation.config.policies_zones import shifts
from federation.dialects.operations.table import OPERATION_CLIENTS
from federation.domain import policies as rule
from federation.domain.policies import CUSTOM_TYPE, Mode, PiiAction, Policy, digest_of, kind_of
from federation.errors import Problem
from federation.guardrails.custom_rules import VALIDATORS
from federation.guardrails.entities import BUILT_IN, BY_PLUGIN
from federation.guardrails.entities import CUSTOM as CUSTOM_ENTITY

Write = Callable[[str, str], Path]
Read = Callable[[], tuple[tuple[Policy, ...], list[str]]]
SOC2_STRICT = """\
policy:
  name: soc2-strict
  rules:
    - all_requests_logged: true
    - pii_exclusion_required: true
    - data_residency: [us, eu]
    - retention_days: 2555
    - encryption: aes-256-gcm
"""


@pytest.fixture
def reading(config_dir: Path) -> Read:
    def read() -> tuple[tuple[Policy, ...], list[str]]:
        problems: list[Problem] = []
        found = policies.read(config_dir, a_catalogue(), {"fast"}, problems)
        return found, [str(problem).replace(f"{config_dir}/", "") for problem in problems]

    return read


def one_rule(text: str) -> str:
    return f"policy:\n  name: p\n  rules:\n    - {text}\n"


def test_the_example_of_the_specification_loads_as_it_stands(write: Write, reading: Read) -> None:
    write("policies/soc2.yaml", SOC2_STRICT)
    (found,), problems = reading()
    assert problems == []
    assert (found.name, found.mode, found.version) == ("soc2-strict", Mode.ENFORCE, 1)
    assert [kind_of(each) for each in found.rules] == [
        "all_requests_logged",
        "pii_exclusion_required",
        "data_residency",
        "retention_days",
        "encryption",
    ]
    assert [each.line for each in found.rules] == [4, 5, 6, 7, 8]
    assert found.digest == digest_of(found)


def test_every_family_of_rules_can_be_written(write: Write, reading: Read) -> None:
    write(
        "policies/all.yaml",
        """\
policies:
  - name: everything
    version: 3
    mode: report
    description: All of it.
    attach: {tenants: [acme], teams: legal, keys: [k1], routes: [fast]}
    rules:
      - data_residency: EU, us
        control: Art. 44
        evidence: records
        when: tags.team == "legal"
      - store_residency: [de]
      - certifications: [soc2, ISO27001]
      - privacy: confidential
      - data_use: none
      - prohibited_data: {tier:chinese: [pii, x-blueprint], openai: phi, "*": [credentials]}
      - allowed_providers: [openai, tier:cloud, local, region:eu]
      - denied_providers: [anthropic, openai/gpt-6-luna]
      - allowed_models: [sol, "gpt-*"]
      - denied_models: [claude-opus-5.5]
      - allowed_operations: [chat, embeddings]
      - denied_operations: image
      - hours: {zone: Europe/Berlin, days: mon-fri, from: 08:00, to: 18:00}
      - max_price: {input: 2.5, output: 10, units: {image: 0.04}}
      - max_price: 5
      - max_price: {cache_write: 3.75, cache_write_long: 6}
      - max_cost: 0.25
      - pii: {action: tokenize, types: {card: block, custom:badge: mask}, on_failure: allow}
      - pii: redact
      - guardrails: [secrets, {name: injection, action: log, threshold: 0.7}]
      - durability: disk
      - payloads: {keep: true, days: 30}
      - payloads: hashes
      - approval: {name: overseas, for: [region:us]}
      - condition: text_bytes < 100000
      - deployments: deployment.tier != "chinese"
""",
    )
    (found,), problems = reading()
    assert problems == []
    assert found.mode is Mode.REPORT
    assert found.attach == rule.Attachment(("acme",), ("legal",), ("k1",), ("fast",))
    by_kind: dict[str, Any] = {kind_of(each): each for each in found.rules}
    assert by_kind["data_residency"].places == ("eu", "us")
    assert by_kind["data_residency"].control == "Art. 44"
    assert by_kind["certifications"].names == ("soc2", "iso27001")
    assert sum(kind_of(each) == "prohibited_data" for each in found.rules) == 3
    assert by_kind["max_cost"].nano == 250_000_000
    assert isinstance(by_kind["durability"], rule.Durable)
    caps = [each for each in found.rules if isinstance(each, rule.MaxPrice)]
    assert (caps[0].input, caps[0].output) == (2_500_000_000, 10_000_000_000)
    assert (caps[1].input, caps[1].output) == (5_000_000_000, 5_000_000_000)
    assert (caps[1].cache_write, caps[1].cache_write_long) == (None, None)
    assert (caps[2].cache_write, caps[2].cache_write_long) == (3_750_000_000, 6_000_000_000)
    window = by_kind["hours"].windows[0]
    assert (window.days, window.start, window.end) == ((1, 2, 3, 4, 5), 480, 1080)
    personal = [each for each in found.rules if isinstance(each, rule.Pii)]
    assert dict(personal[0].types) == {"card": PiiAction.BLOCK, "custom:badge": PiiAction.MASK}
    assert not personal[0].block_on_failure
    assert personal[1].block_on_failure
    assert by_kind["guardrails"].guards == (
        rule.Guard("secrets"),
        rule.Guard("injection", block=False, threshold=700),
    )


def test_policies_travel_in_a_snapshot_and_come_back_the_same(write: Write, reading: Read) -> None:
    text = (
        "policy: {name: p, packs: [gdpr, soc2, hipaa, ccpa], rules: [{hours: {zone: Asia/Tokyo}}]}"
    )
    write("policies/p.yaml", text)
    found, _ = reading()
    packed = msgspec.msgpack.encode(found)
    assert msgspec.msgpack.decode(packed, type=tuple[Policy, ...]) == found


def test_a_digest_is_of_what_is_said_and_not_of_where(write: Write, reading: Read) -> None:
    write("policies/a.yaml", SOC2_STRICT)
    (first,), _ = reading()
    write("policies/a.yaml", f"# a comment\n\n{SOC2_STRICT}")
    (moved,), _ = reading()
    write("policies/a.yaml", SOC2_STRICT.replace("2555", "2556"))
    (changed,), _ = reading()
    assert first.digest == moved.digest != changed.digest
    assert first.rules[0].line != moved.rules[0].line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_residancy: [eu]", ":4: unknown key 'policy.rules.0.data_residancy': did you mean"),
        ("data_residency: [eu, mars]", "unknown region 'mars'"),
        ("data_residency: [unknown]", "unknown region 'unknown'"),
        ("data_residency:", "'data_residency' is empty"),
        ("certifications: []", "is empty: write what it names"),
        ("denied_models: []", "is empty: write what it names"),
        ("denied_providers: [opnai]", ":4: 'denied_providers' names an unknown provider 'opnai'"),
        ("denied_providers: [OpenAI]", "did you mean 'openai'?"),
        ("allowed_providers: [tier:chinesse]", "unknown tier 'chinesse': did you mean 'chinese'?"),
        ("allowed_providers: [region:EU]", "unknown region 'EU'"),
        ("denied_providers: [openai/gpt-6-lunar]", "did you mean 'gpt-6-luna'?"),
        ("denied_models: [gpt-6.1-soll]", "did you mean 'gpt-6.1-sol'?"),
        ("prohibited_data: {openai: [ppi]}", "did you mean 'pii'?"),
        ("prohibited_data: {}", "is empty: write what it names"),
        ("prohibited_data: {nobody: [pii]}", "unknown provider 'nobody'"),
        ("allowed_operations: [chats]", "did you mean 'chat'?"),
        ("all_requests_logged: false", "should be true; leave the rule out"),
        ("pii_exclusion_required: 1", "should be true; leave the rule out"),
        ("encryption: rot13", "should be one of aes-256-gcm"),
        ("durability: process", "should be one of disk"),
        (
            "payloads: {keep: hash}",
            "'policy.rules.0.payloads.keep' should be true, false or hashes",
        ),
        ("privacy: secret", "should be one of public, internal, confidential, restricted"),
        ("pii: {types: {emial: mask}, action: log}", "did you mean 'email'?"),
        ("pii: {on_failure: block}", "should name an action"),
        ("pii: erase", "one of block, redact, tokenize, hash, mask, log"),
        ("hours: {zone: Europe/Berln}", "did you mean 'Europe/Berlin'?"),
        ("hours: {days: mon-funday}", "should be a weekday"),
        ("hours: {days: mon–fri}", "should be a weekday"),
        ("hours: {from: 25:00}", "should be a time of day"),
        ("max_price: {}", "should cap something"),
        ("max_price: true", "should be a mapping"),
        ("guardrails: [injections]", "should be"),
        ("guardrails: [{name: pii, threshold: 2}]", "should be between 0 and 1"),
        ("guardrails: [{name: pii, threshold: '1e999999'}]", "should be a number"),
        ("retention_days: true", "should be a number"),
        ("pii: {action: log, max_characters: true}", "should be a number"),
        ("retention_days: 0", "greater than or equal to 1"),
        ("approval: {name: x, for: [nobody]}", "unknown provider 'nobody'"),
        ("{control: Art. 1}", "a rule should demand something"),
        ("{privacy: public, data_use: none}", "names data_use, privacy"),
        ("when: stream", "a rule should demand something"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_its_line(
    text: str, said: str, write: Write, reading: Read
) -> None:
    write("policies/p.yaml", one_rule(text))
    _, problems = reading()
    assert problems
    assert problems[0].startswith("policies/p.yaml:4: ")
    assert any(said in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.yml", SOC2_STRICT, "is not read: name it *.yaml"),
        ("p.YAML", SOC2_STRICT, "is not read: name it *.yaml"),
        ("eu/p.yaml", SOC2_STRICT, "is not read: policies stand in"),
        ("p.yaml", "", "holds no policy"),
        ("p.yaml", "policies: []", "holds no policy"),
        ("p.yaml", "polices: []", "unknown key 'polices': did you mean"),
        ("p.yaml", "- name: x", "should be a mapping"),
        ("p.yaml", "policy: {name: p}", "should have 'rules' or 'packs'"),
        ("p.yaml", "policy: {rules: [{privacy: public}]}", "'policy.name' is missing"),
        ("p.yaml", "policy: {name: p, packs: [gpdr]}", "unknown pack 'gpdr': did you mean 'gdpr'?"),
        ("p.yaml", "policy: {name: p, packs: [gdpr], mode: off}", "one of enforce, report"),
        ("p.yaml", "policy: {name: p, packs: [gdpr], attach: }", "is empty: leave it out"),
        (
            "p.yaml",
            "policy: {name: p, packs: [gdpr], attach: {tenants: []}}",
            "is empty: write what it names",
        ),
        ("p.yaml", "policy: {name: p, packs: [gdpr], attach: {tenant: [a]}}", "'tenants'"),
        (
            "p.yaml",
            "policy: {name: p, packs: [gdpr], attach: {routes: [fasst]}}",
            "unknown route or model 'fasst': did you mean 'fast'?",
        ),
        ("p.yaml", f"{SOC2_STRICT}policies:\n  - {{name: soc2-strict, packs: [gdpr]}}", "already"),
        ("p.yaml", "policy: {name: p, name: q, packs: [gdpr]}", "was already given"),
    ],
)
def test_a_policy_that_would_protect_nobody_in_silence_is_a_problem(
    name: str, text: str, said: str, write: Write, reading: Read
) -> None:
    write(f"policies/{name}", text)
    _, problems = reading()
    assert any(said in problem for problem in problems), problems


def test_no_directory_is_no_policy_and_a_file_in_its_place_is_a_problem(
    config_dir: Path, write: Write, reading: Read
) -> None:
    assert reading() == ((), [])
    assert policies.sources(config_dir) == []
    write("policies", "x")
    _, problems = reading()
    assert problems == ["policies: cannot be listed: Not a directory"]


def test_tests_beside_the_policies_are_no_policies(write: Write, reading: Read) -> None:
    write("policies/tests/t.yaml", "tests: [{name: x, expect: allow}]")
    write("policies/a.yaml", SOC2_STRICT)
    found, problems = reading()
    assert (len(found), problems) == (1, [])


@pytest.mark.parametrize("name", ["gdpr", "soc2", "hipaa", "ccpa"])
def test_every_rule_of_a_pack_names_its_control_and_its_evidence(name: str) -> None:
    found = pack(name)
    assert found.framework == name
    assert found.title
    assert found.description
    assert len(found.rules) >= 7
    for each in found.rules:
        assert each.control
        assert each.evidence
        assert each.file == f"pack:{name}"
        assert each.line


def test_there_are_four_packs() -> None:
    assert pack_names() == ("ccpa", "gdpr", "hipaa", "soc2")


def test_the_words_that_stand_here_again_are_those_of_their_owners() -> None:
    owned = {operation for operation, _ in OPERATION_CLIENTS}
    assert owned <= set(policies_words.OPERATIONS)
    assert set(policies_words.PII_TYPES) == {*BUILT_IN, *BY_PLUGIN}
    assert CUSTOM_TYPE == CUSTOM_ENTITY
    assert set(policies_words.VALIDATORS) == set(VALIDATORS)


def test_a_zone_is_a_table_of_its_shifts() -> None:
    found = shifts("Europe/Berlin")
    spring = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp() * 1000)
    assert (spring, 120) in found
    assert found == tuple(sorted(found))
    assert len(found) == 62
    assert [offset for _, offset in shifts("Asia/Kolkata")] == [330, 0]


def test_policy_tests_are_read_with_their_places(write: Write) -> None:
    path = write(
        "policies/tests/t.yaml",
        """\
tests:
  - name: one
    call: {tenant: acme, at: 2026-01-07T12:00:00+01:00, data_classes: pii, tags: {n: 1}}
    deployment: openai/gpt-6-luna
    expect: deny
    why: data_residency
    duties: {pii: redact, max_cost: 0.25}
  - name: two
    call: {data_classes: null}
    expect: allow
""",
    )
    problems: list[Problem] = []
    first, second = policies_tests.read([path], problems)
    assert problems == []
    assert (first.line, second.line) == (2, 8)
    assert first.call["at_ms"] == 1_767_783_600_000
    assert first.call["data_classes"] == {"pii"}
    assert first.call["tags"] == {"n": "1"}
    assert first.duties == {"pii": "redact", "max_cost": "0.25"}
    assert second.call["data_classes"] is None
    assert (first.allow, second.allow) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no tests"),
        ("tests: []", "is empty: write what it names"),
        ("tests: [{name: x, expect: maybe}]", "one of allow, deny"),
        ("tests: [{name: x, expect: deny, call: {tenent: a}}]", "did you mean 'tenant'?"),
        ("tests: [{name: x, expect: deny, call: {at: noon}}]", "should be a time with its offset"),
        ("tests: [{name: x, expect: deny, call: {at: '2026-01-07T12:00:00'}}]", "with its offset"),
        ("tests: [{name: x, expect: deny, duties: {loged: true}}]", "did you mean 'logged'?"),
    ],
)
def test_what_is_wrong_with_a_policy_test_is_said(text: str, said: str, write: Write) -> None:
    problems: list[Problem] = []
    policies_tests.read([write("policies/tests/t.yaml", text)], problems)
    assert any(said in str(problem) for problem in problems), problems


def test_the_examples_of_the_guide_load_as_they_stand(config_dir: Path, write: Write) -> None:
    guide = Path(__file__).resolve().parents[3] / "docs" / "guide" / "policies.md"
    blocks = re.findall(r"```yaml\n# config/(\S+)\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 9
    for name, text in blocks:
        write(name, text)
    problems: list[Problem] = []
    found = policies.read(config_dir, a_catalogue(), {"fast"}, problems)
    trials = policies_tests.read(policies_tests.sources(config_dir), problems)
    assert problems == []
    assert {each.name for each in found} == {"soc2-strict", "legal", "europe", "ours", "soft"}
    assert len(trials) == 1
