"""How a catalogue file is read, and what is said about a wrong one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from federation.catalogue.files import parse_row, read_evidence, read_rows, read_speeds
from federation.domain.catalogue import Ability, Auth, DataUse, Rates, Tier, Window
from federation.errors import ConfigError

HEAD = """\
id: acme
name: Acme
tier: emerging
dialect: openai
base_url: https://api.acme.example/v1
sources: [the vendor's page]
as_of: '2026-11-20'
confidence: high
"""

MODELS = """\
models:
  - id: acme/large
    family: acme-large
    aliases: [large]
    context: 128000
    abilities: [tools, sampling]
    price:
      input: 0.044
      output: 10
      cached: 0.0044
      source: the vendor's page
      as_of: 2026-11
"""


def problems(text: str, where: str = "emerging/acme.yaml") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_row(text, where)
    return [str(problem) for problem in caught.value.problems]


def test_a_row_is_read_into_the_domain_with_exact_prices() -> None:
    provider = parse_row(HEAD + MODELS, "emerging/acme.yaml")
    assert provider.tier is Tier.EMERGING
    assert provider.data_use is DataUse.UNKNOWN
    assert provider.auth == Auth()
    (model,) = provider.models
    assert model.name == "acme/large"
    assert model.abilities == {Ability.TOOLS, Ability.SAMPLING}
    assert model.price.rates == Rates(44_000_000, 10_000_000_000, 4_400_000, None)
    assert model.price.as_of == "2026-11"


def test_everything_that_a_row_can_say_arrives() -> None:
    text = (
        HEAD
        + """\
hosts: {eu: https://eu.acme.example/v1}
note: Only on Sundays.
quirks: {default: {temperature: 0.6}, single_choice: true}
auth: {scheme: header, name: x-key, prefix: ''}
env: [ACME_KEY]
regions: [de, us]
certifications: [soc2]
data_use: none
governed: [place]
limits: {rpm: 60}
models:
  - id: m
    family: m
    name: The M
    maker: true
    operations: [image]
    retires: '2027-01-01'
    dimensions: 3
    speed: {first_token_ms: 300, tokens_per_s: 50}
    price:
      input: 1
      windows: [{weekdays: [6, 7], start: '10:30', end: '24:00', input: 0.5}]
      multipliers: {eu: 1.1}
      units: {image: 0.04}
      batch: 0.5
      disputed: {elsewhere: {input: 1.5}}
      source: x
      as_of: '2026-11-20'
"""
    )
    provider = parse_row(text, "emerging/acme.yaml")
    assert provider.quirks["hosts"] == {"eu": "https://eu.acme.example/v1"}
    assert provider.quirks["note"] == "Only on Sundays."
    assert provider.quirks["default"] == {"temperature": Decimal("0.6")}
    assert provider.regions == ("de", "us")
    assert provider.limits.rpm == 60
    (model,) = provider.models
    assert model.price.windows == (Window((6, 7), 630, 1440, Rates(500_000_000)),)
    assert model.price.multipliers == {"eu": 1100}
    assert model.price.units == {"image": 40_000_000}
    assert model.price.batch_permille == 500
    assert model.quirks["price_disputed"] == {"elsewhere": {"input": "1.5"}}
    assert model.speed is not None
    assert model.speed.tokens_per_s == 50


def test_tiers_of_context_are_read() -> None:
    text = HEAD + MODELS + "      tiers: [{above: 1000, input: 1, output: 20, cached: 0.1}]\n"
    (model,) = parse_row(text, "emerging/acme.yaml").models
    assert model.price.tiers[0].above == 1000
    assert model.price.tiers[0].rates.output == 20_000_000_000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "modles: []\n", "modles"),
        (HEAD.replace("tier: emerging", "tier: best"), "$.tier"),
        (HEAD + MODELS.replace("input: 0.044", "input: cheap"), "$.models[0].price.input"),
        (HEAD + "env: [acme key]\n", "env: acme key is no variable name"),
        (HEAD + "regions: [europe]\n", "regions: europe"),
        (HEAD + "regions: [local]\n", "local: true exactly where"),
        (HEAD + "certifications: [soc3]\n", "certifications: soc3"),
        (HEAD + "operations: [sing]\n", "operations: sing"),
        (HEAD + "quirks: {reasonning: x}\n", "quirks: reasonning"),
        (HEAD + "auth: {scheme: magic}\n", "auth.scheme: magic"),
        (HEAD + "hosts: {eu: eu.acme.example}\n", "eu: an http(s) address"),
        (HEAD.replace("https://api.acme.example/v1", "api.acme.example"), "base_url: an http(s)"),
        (HEAD.replace("example/v1", "example/v1/"), "base_url: an http(s)"),
        (HEAD.replace("high", "total"), "confidence: total"),
        (HEAD.replace("'2026-11-20'", "yesterday"), "as_of: a date"),
        (HEAD.replace("[the vendor's page]", "[]"), "sources: at least one"),
        (HEAD + MODELS.replace("[large]", "[acme/large]"), "models: acme/large names more"),
        (HEAD + MODELS.replace("family: acme-large", "family: ''"), "models[0].id, family"),
        (HEAD + MODELS.replace("128000", "0"), "models[0].context: must be positive"),
        (HEAD + MODELS.replace("output: 10", "output: -1"), "models[0].price.rates: must not"),
        (HEAD + MODELS.replace("output: 10", "output: 0"), "models[0].price.rates: zero"),
        (
            HEAD + MODELS.replace("as_of: 2026-11\n", "as_of: now\n"),
            "models[0].price.source, as_of",
        ),
        (HEAD + MODELS + "    retires: soon\n", "models[0].retires: a date"),
        (HEAD + MODELS + "    input_modalities: [smell]\n", "models[0].input_modalities: smell"),
        (HEAD + MODELS + "    quirks: {odd: 1}\n", "models[0].quirks: odd"),
        (HEAD + MODELS + "    operations: [sing]\n", "models[0].operations: sing"),
        (HEAD + MODELS + "      units: {litre: 1}\n", "models[0].price.units: litre"),
        (HEAD + MODELS + "      multipliers: {moon: 2}\n", "models[0].price.multipliers: moon"),
        (HEAD + MODELS + "      tiers: [{above: 0, input: 1}]\n", "tiers: above must be"),
        (HEAD + MODELS + "      windows: [{weekdays: [0], input: 1}]\n", "windows.weekdays: 1"),
        (HEAD + MODELS + "      windows: [{weekdays: [], input: 1}]\n", "windows.weekdays: 1"),
        (
            HEAD + MODELS + "      windows: [{weekdays: [1], start: 9am, input: 1}]\n",
            "windows: start and end are HH:MM",
        ),
        (
            HEAD
            + MODELS
            + "      windows: [{weekdays: [1], start: '22:00', end: '06:00', input: 1}]\n",
            "windows: start lies before end",
        ),
        (
            HEAD
            + MODELS
            + "      tiers: [{above: 1, input: 1}]\n      windows: [{weekdays: [1], input: 1}]\n",
            "tiers, windows: a price has one or the other",
        ),
    ],
)
def test_a_fault_is_named_by_file_and_key(text: str, said: str) -> None:
    found = problems(text)
    assert any(problem.startswith("emerging/acme.yaml") for problem in found)
    assert any(said in problem for problem in found), found


def test_a_file_must_agree_with_its_place() -> None:
    assert "must be named acme.yaml" in problems(HEAD, "emerging/other.yaml")[0]
    assert "must lie in emerging/" in problems(HEAD, "cloud/acme.yaml")[0]
    assert "lower-case" in problems(HEAD.replace("id: acme", "id: Acme"), "emerging/Acme.yaml")[0]


def test_a_key_written_twice_is_refused_with_its_line() -> None:
    (problem,) = problems(HEAD + "name: Acme Two\n")
    assert problem == "emerging/acme.yaml:9: the key 'name' is written twice"


def test_broken_yaml_is_refused_with_its_line() -> None:
    (problem,) = problems(HEAD + "env: [\n")
    assert problem.startswith("emerging/acme.yaml:1")


def test_a_local_server_may_be_free() -> None:
    text = HEAD + "local: true\nregions: [local]\n" + MODELS.replace("output: 10", "output: 0")
    assert parse_row(text, "emerging/acme.yaml").models[0].price.rates.output == 0


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    for folder, name, text in (
        ("emerging", "acme", HEAD),
        ("cloud", "acme", HEAD.replace("emerging", "cloud")),
        ("emerging", "bad", HEAD.replace("id: acme", "id: bad") + "env: [no name]\n"),
        ("emerging", "worse", HEAD.replace("id: acme", "id: worse") + "what: is this\n"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_rows(tmp_path)
    told = str(caught.value)
    assert "another file has the same id" in told
    assert "emerging/bad.yaml" in told
    assert "emerging/worse.yaml" in told


def test_rows_come_sorted_by_id(tmp_path: Path) -> None:
    for folder, name in (("cloud", "zeta"), ("emerging", "alpha")):
        (tmp_path / folder).mkdir()
        text = HEAD.replace("id: acme", f"id: {name}").replace("tier: emerging", f"tier: {folder}")
        (tmp_path / folder / f"{name}.yaml").write_text(text)
    assert [row.id for row in read_rows(tmp_path)] == ["alpha", "zeta"]


def test_the_evidence_and_the_speeds_are_read() -> None:
    evidence = read_evidence()
    assert evidence.benchmarks["arena_elo"].reference == 1300
    assert read_speeds().classes
    for name, before in evidence.predecessors.items():
        assert before.family in evidence.scores or before.family in evidence.predecessors, name
    for scores in evidence.scores.values():
        for benchmark, tasks in scores.items():
            scales = evidence.benchmarks[benchmark].scales
            assert not scales or set(tasks) <= set(scales)
