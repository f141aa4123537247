"""Explanations, policy tests and comparisons: what people are told about a decision."""

from __future__ import annotations

from dataclasses import replace

from governance_world import facts, policy
from routing_world import deployment

from federation.domain import policies as rule
from federation.domain.policies import Mode, PiiAction, Trial
from federation.governance.diff import Detail, Effect, changes, effects
from federation.governance.explain import duties, reasons, refusals
from federation.governance.rulebook import Rulebook
from federation.governance.trials import run

DEPLOYMENTS = (
    deployment("eu/a", p_regions=("de",)),
    deployment("us/a", p_regions=("us",)),
    deployment("void/a", p_regions=()),
)
EUROPE = rule.Residency(
    places=("eu",), control="Art. 44", evidence="records", file="policies/eu.yaml", line=4
)


def soc2_strict() -> rule.Policy:
    return policy(
        rule.Logged(),
        rule.Durable(),
        rule.PiiExcluded(),
        rule.Residency(places=("us", "eu")),
        rule.Retention(days=2555),
        rule.Encryption(algorithm="aes-256-gcm"),
        name="soc2-strict",
    )


def test_all_five_rules_of_the_example_have_an_effect() -> None:
    ruling = Rulebook((soc2_strict(),), DEPLOYMENTS).rule(facts())
    assert ruling.mask == 0b011
    assert ruling.rules == (("policy:data_residency", 0b011),)
    found = ruling.obligations
    assert found.logged
    assert found.pii is PiiAction.REDACT
    assert found.pii_block_on_failure
    assert found.retention_days == 2555
    assert found.encryption == "aes-256-gcm"
    assert found.residency == (("us", "eu"),)
    assert ruling.policies == ("soc2-strict@1+000000000000",)


def test_every_other_hop_is_judged_by_the_same_places() -> None:
    both = Rulebook((soc2_strict(), policy(EUROPE)), DEPLOYMENTS).rule(facts()).obligations
    assert both.residency == (("eu",), ("us", "eu"))
    assert both.may_lie_in(("de",))
    assert not both.may_lie_in(("us",))
    assert not both.may_lie_in(("de", "us"))
    assert not both.may_lie_in(())
    assert Rulebook((), DEPLOYMENTS).rule(facts()).obligations.may_lie_in(())


def test_a_reason_names_policy_rule_control_and_place() -> None:
    book = Rulebook((policy(EUROPE, name="eu-only"), soc2_strict()), DEPLOYMENTS)
    said = reasons(book, facts())
    assert set(said) == {"us/a", "void/a"}
    (only,) = said["us/a"]
    assert (only.policy, only.rule) == ("eu-only@1+000000000000", "data_residency")
    assert only.text == "is not known to keep data within eu"
    assert (only.control, only.evidence) == ("Art. 44", "records")
    assert only.where == "policies/eu.yaml:4"
    assert [each.policy[:4] for each in said["void/a"]] == ["eu-o", "soc2"]


def test_a_refusal_counts_whom_each_rule_keeps_out_of_those_that_were_meant() -> None:
    watching = policy(rule.Certified(names=("soc2",)), name="watch", mode=Mode.REPORT)
    book = Rulebook((soc2_strict(), policy(EUROPE, name="eu"), watching), DEPLOYMENTS)
    said = [
        (each.policy.partition("@")[0], count) for each, count in refusals(book, facts(), 0b110)
    ]
    assert said == [("eu", 2), ("soc2-strict", 1)]
    assert refusals(book, facts(), 0b001) == ()
    ((asked, count),) = refusals(Rulebook((), DEPLOYMENTS), facts(privacy="Public"), 0b111)
    assert (asked.rule, count) == ("privacy", 3)


def test_a_store_outside_the_places_closes_and_says_so() -> None:
    book = Rulebook((policy(EUROPE),), DEPLOYMENTS, store=("us",))
    ruling = book.rule(facts())
    assert ruling.mask == 0
    assert ("policy:store_residency", 0) in ruling.rules
    assert "our own store" in reasons(book, facts())["eu/a"][0].text
    assert Rulebook((policy(EUROPE),), DEPLOYMENTS, store=("fr",)).rule(facts()).mask == 1


def test_every_kind_of_rule_says_something_of_its_own() -> None:
    closed: list[rule.AnyRule] = [
        rule.Certified(names=("soc2",)),
        rule.PrivacyLevel(level=rule.Privacy.RESTRICTED),
        rule.Use(allowed=()),
        rule.Prohibited(classes=("pii",), at=("*",)),
        rule.AllowedProviders(names=()),
        rule.DeniedProviders(names=("*",)),
        rule.AllowedModels(names=()),
        rule.DeniedModels(names=("*",)),
        rule.AllowedOperations(names=()),
        rule.DeniedOperations(names=("chat",)),
        rule.Hours(windows=(rule.Window("Asia/Tokyo", (), (1,), 0, 60),)),
        rule.MaxPrice(input=0),
        rule.Approval(name="cto"),
        rule.Condition(expression="false"),
        rule.DeploymentCondition(expression="deployment.local"),
        rule.StoreResidency(places=("eu",)),
    ]
    book = Rulebook((policy(*closed),), DEPLOYMENTS)
    said = reasons(book, facts(data_classes=None, privacy="restricted"))["eu/a"]
    assert [each.rule for each in said] == ["privacy", *(rule.kind_of(each) for each in closed)]
    texts = [each.text for each in said]
    assert len(set(texts)) == len(texts)
    assert all(len(text) > 20 for text in texts)


def test_a_watching_policy_says_what_it_would_have_done() -> None:
    book = Rulebook((policy(EUROPE, mode=Mode.REPORT),), DEPLOYMENTS)
    ruling = book.rule(facts())
    assert ruling.mask == 0b111
    assert ruling.watched == (("p.data_residency", 0b110),)
    assert ruling.would.residency == (("eu",),)
    assert [each.enforced for each in reasons(book, facts())["us/a"]] == [False]


def test_a_trial_passes_only_for_the_reason_that_its_author_gave() -> None:
    book = Rulebook((policy(EUROPE, name="eu-only"),), DEPLOYMENTS)
    call = {"tenant": "acme", "operation": "chat", "at_ms": 1}
    right = Trial("right", call, allow=False, deployment="us/a", why="eu-only.data_residency")
    outcomes = run(
        [
            right,
            replace(right, why="data_residency"),
            replace(right, why="hours"),
            replace(right, deployment="eu/a", why=""),
            replace(right, deployment="eu/b"),
            replace(right, deployment="", allow=True, why=""),
            replace(right, duties={"listed_fields_only": True, "residency": [["eu"]]}),
            replace(right, duties={"pii": "redact"}),
        ],
        book,
    )
    assert [each.passed for each in outcomes] == [
        True,
        True,
        False,
        False,
        False,
        True,
        True,
        False,
    ]
    assert "'hours' is not among the reasons: eu-only.data_residency" in outcomes[2].faults[0]
    assert outcomes[3].faults == ("expected deny, and the policies allow",)
    assert outcomes[4].faults == ("there is no deployment 'eu/b'",)
    assert outcomes[7].faults == ("expected the duty pii: redact, found none",)


def test_a_comparison_names_rules_callers_and_what_opens() -> None:
    old = (policy(EUROPE, name="eu", tenants=("acme",)), policy(rule.Logged(), name="log"))
    new = (
        policy(rule.Residency(places=("us",)), name="eu", tenants=("acme",)),
        policy(rule.PiiExcluded(), name="pii", mode=Mode.REPORT),
    )
    said = {change.policy: change for change in changes(old, new)}
    assert {name: change.what for name, change in said.items()} == {
        "eu": "changed",
        "log": "removed",
        "pii": "added",
    }
    assert said["eu"].details == (
        Detail("data_residency", '{"places": ["eu"]}', '{"places": ["us"]}'),
    )
    books = (Rulebook(old, DEPLOYMENTS), Rulebook(new, DEPLOYMENTS))
    assert effects(*books, facts()) == [
        Effect("", "", "", "", (), (), ("logged: true -> null",)),
        Effect(
            "acme",
            "",
            "",
            "",
            ("eu/a",),
            ("us/a",),
            ("logged: true -> null", 'residency: [["eu"]] -> [["us"]]'),
        ),
    ]
    assert changes(old, old) == []
    assert effects(books[0], books[0], facts()) == []


def test_duties_are_shown_only_where_they_are_demanded() -> None:
    book = Rulebook(
        (policy(rule.MaxCost(nano=250_000_000), rule.Payloads(keep=False, days=3)),), DEPLOYMENTS
    )
    assert duties(book.rule(facts()).obligations) == {
        "payload_days": 3,
        "listed_fields_only": True,
        "keep_payloads": False,
        "max_cost": "0.25",
    }
