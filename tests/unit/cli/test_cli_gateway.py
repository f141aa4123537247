"""Commands that ask a running gateway, against a stub over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]

DECISION: dict[str, Any] = {
    "requested": "auto",
    "provider": "acme",
    "model": "acme-large",
    "deployment": "acme/acme-large",
    "simulated": False,
    "confidence": 0.91,
    "estimated_cost": 0.0000125,
    "estimated_latency_ms": 812.4,
    "strategy": "quality_first",
    "weights": {"quality": 0.5, "speed": 0.3, "cost": 0.1, "reliability": 0.1},
    "intent": {
        "name": "code_review",
        "confidence": 0.91,
        "difficulty": 0.4,
        "classified": True,
    },
    "candidates": [
        {
            "deployment": "acme/acme-large",
            "estimated_cost": 0.0000125,
            "estimated_latency_ms": 812.4,
            "probability": 1.0,
            "cooling_down": False,
            "score": 0.8123,
            "scores": {"quality": 0.9, "speed": 0.7, "cost": 0.8, "reliability": 1.0},
        },
        {
            "deployment": "other/model",
            "estimated_cost": None,
            "estimated_latency_ms": 90.0,
            "probability": 0.0,
            "cooling_down": True,
        },
    ],
    "removed": {"far/model": "residency", "blind/model": "modality:image"},
    "removed_by_rule": {"residency": 1, "modality:image": 1},
    "snapshot": 7,
    "reasoning": "acme/acme-large scores best.",
}
ANSWER = {
    "call_id": "call_1",
    "provider": "acme",
    "model": "acme-large",
    "content": "Hello [bold]you[/bold]",
    "cost": 0.00001,
    "latency_ms": 12.3,
    "input_tokens": 5,
    "output_tokens": 7,
    "confidence": 0.9,
    "reasoning": "because",
    "simulated": True,
}


def test_a_text_is_sent_and_the_answer_is_printed_as_it_came(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/route", ANSWER)
    result = run("route", "say hello")
    assert result.exit_code == 0
    assert result.stdout == "Hello [bold]you[/bold]\n"
    for part in ("acme/acme-large", "simulated", "$0.00001", "12 ms", "5 + 7 tokens", "call_1"):
        assert part in result.stderr
    method, path, headers, body = stub.asked[0]
    assert (method, path) == ("POST", "/v1/route")
    assert headers["authorization"] == "Bearer key-of-the-test"
    assert body == {"prompt": "say hello"}


def test_every_option_of_route_reaches_the_gateway(run: Run, stub: Any, project: Path) -> None:
    stub.on("POST", "/v1/route", ANSWER | {"cost": None})
    (project / "tools.json").write_text('[{"name": "f", "parameters": {}}]')
    result = run(
        *("route", "--strategy", "speed", "hi", "--max-cost", "0.5", "--max-latency", "900"),
        *("--data-residency", "eu,uk", "--data-residency", "us", "--functions", "tools.json"),
        *("--model", "chat", "--system", "be short", "--max-tokens", "5", "--json"),
        *("--privacy", "internal", "--data-class", "pii", "--data-class", "x-hr"),
    )
    assert json.loads(result.stdout)["content"] == ANSWER["content"]
    assert stub.asked[0][3] == {
        "prompt": "hi",
        "model": "chat",
        "strategy": "speed",
        "system_prompt": "be short",
        "max_tokens": 5,
        "privacy": "internal",
        "data_classes": ["pii", "x-hr"],
        "constraints": {
            "max_cost": 0.5,
            "max_latency_ms": 900.0,
            "data_residency": ["eu", "uk", "us"],
        },
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    }


def test_a_text_that_holds_no_class_of_data_is_said_to(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/route", ANSWER)
    for verb in ("run", "explain"):
        run("route", verb, "hi", "--data-class", "none")
        assert stub.asked[-1][3]["data_classes"] == []


def test_the_text_may_come_from_a_pipe(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/route", ANSWER)
    run("route", "-", input="from the pipe")
    assert stub.asked[0][3] == {"prompt": "from the pipe"}


def test_a_text_that_is_also_a_command_is_written_behind_run(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/route", ANSWER)
    assert run("route", "run", "task").exit_code == 0
    assert run("route", "--", "explain").exit_code == 0
    assert [asked[3]["prompt"] for asked in stub.asked] == ["task", "explain"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["route", " "], "There is no text"),
        (["route", "x", "--functions", "none.json"], "none.json cannot be read"),
        (["route", "x", "--functions", "[1]"], "list of function definitions"),
        (["route", "x", "--functions", "[nonsense"], "holds no JSON"),
        (["route", "x", "--max-cost", "-1"], "--max-cost"),
        (["route", "x", "--no-such"], "--no-such"),
        (["key", "create", "x", "--expires", "soon"], "'soon' is no span of time"),
        (["key", "create", "x", "--role", "king"], "king"),
        (["status", "stats", "--window", "0"], "is no span of time"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage_is_explained(run: Run, arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_dry_run_shows_the_decision(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/route", DECISION)
    result = run("route", "review this", "--dry-run")
    assert result.exit_code == 0
    for part in (
        "acme/acme-large",
        "0.91",
        "$0.0000125",
        "812 ms",
        "code review",
        "0.812",
        "other/model (cooling down)",
        "acme/acme-large scores best.",
    ):
        assert part in result.stdout
    assert "1 by residency" in result.stderr
    assert stub.asked[0][3] == {"prompt": "review this", "dry_run": True}


def test_an_explanation_names_every_rule_and_weight(run: Run, stub: Any) -> None:
    removed = DECISION["removed"] | {f"far/{n}": "residency" for n in range(20)}
    unclassified = {"name": "unknown", "classified": False}
    stub.on("POST", "/v1/route", DECISION | {"removed": removed, "intent": unclassified})
    result = run("route", "explain", "review this")
    for part in ("quality 0.5", "version 7", "modality:image", "blind/model", "and 9 more"):
        assert part in result.stdout
    assert "the order was made without it" in result.stdout


def test_a_decision_without_losers_has_no_table_of_them(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/route", DECISION | {"removed": {}, "simulated": True})
    result = run("route", "explain", "x")
    assert "Rule" not in result.stdout
    assert "simulated" in result.stdout


def test_a_refused_call_names_the_rule_and_exits_with_four(run: Run, stub: Any) -> None:
    message = "No deployment may serve this call: far/model (residency: ...)."
    stub.refuse("POST", "/v1/route", 403, message, "no_eligible_deployment")
    result = run("route", "x")
    assert result.exit_code == 4
    assert message in result.stderr
    as_json = run("route", "x", "--json")
    assert json.loads(as_json.stdout)["error"]["code"] == "no_eligible_deployment"
    assert as_json.exit_code == 4


def test_a_refused_key_says_what_to_do(run: Run, stub: Any) -> None:
    stub.refuse("GET", "/v1/keys", 401, "This API key is unknown.", "invalid_api_key")
    result = run("key", "list")
    assert result.exit_code == 4
    assert "This API key is unknown." in result.stderr
    assert "--api-key" in result.stderr
    assert "key-of-the-test" not in result.output


@pytest.mark.parametrize("key", ["fed_ab\ncd", "fed_\u043a\u043b\u044e\u0447"])
def test_a_key_that_no_header_can_carry_is_wrong_usage_and_not_shown(
    run: Run, stub: Any, key: str
) -> None:
    result = run("key", "list", "--api-key", key)
    assert result.exit_code == 2
    assert "FEDERATION_API_KEY" in result.stderr
    assert key not in result.output
    assert stub.asked == []


@pytest.mark.parametrize(
    "arguments", [("create", ""), ("create", " "), ("set", "key_1", "--name", "")]
)
def test_a_key_without_a_name_is_refused_before_anybody_is_asked(
    run: Run, stub: Any, arguments: tuple[str, ...]
) -> None:
    result = run("key", *arguments)
    assert (result.exit_code, stub.asked) == (2, [])
    assert "The name is empty." in result.stderr


def test_the_keys_of_one_tenant_are_listed(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/keys?tenant=acme", {"data": [], "next": None})
    result = run("key", "list", "--tenant", "acme", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["data"] == []


def test_an_answer_that_is_no_json_is_still_an_error(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/keys", b"<html>", 502)
    result = run("key", "list")
    assert result.exit_code == 1
    assert "status 502" in result.stderr


# Keys

KEY = {
    "object": "key",
    "id": "key_1",
    "name": "ci",
    "tenant": "default",
    "role": "developer",
    "created_ms": 1,
    "expires_ms": None,
    "revoked_ms": None,
    "models": [],
    "providers": ["acme"],
    "hint": "abcd",
}


def test_a_key_is_made_and_its_secret_shown(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/models", {"data": [{"id": "chat"}, {"id": "acme/large"}]})
    stub.on("GET", "/v1/providers", {"data": [{"id": "acme"}]})
    stub.on("POST", "/v1/keys", KEY | {"secret": "fed_secret"}, 201)
    result = run(
        *("key", "create", "ci", "--role", "viewer", "--provider", "acme", "--model", "chat"),
        *("--expires", "2w", "--tenant", "t"),
    )
    assert result.exit_code == 0
    assert "fed_secret" in result.stdout
    assert "warning" not in result.stderr
    assert stub.asked[-1][3] == {
        "name": "ci",
        "role": "viewer",
        "models": ["chat"],
        "providers": ["acme"],
        "expires_in_s": 1_209_600,
        "tenant": "t",
    }
    assert json.loads(run("key", "create", "ci", "--json").stdout)["secret"] == "fed_secret"


def test_a_key_for_what_the_gateway_does_not_have_is_made_with_a_warning(
    run: Run, stub: Any
) -> None:
    stub.on("GET", "/v1/models", {"data": [{"id": "acme/large"}]})
    stub.on("GET", "/v1/providers", {"data": [{"id": "acme"}]})
    stub.on("POST", "/v1/keys", KEY | {"secret": "fed_secret"}, 201)
    result = run(
        *("key", "create", "ci", "--model", "larg", "--model", "large", "--provider", "acne")
    )
    assert result.exit_code == 0
    assert "warning: this gateway has no model 'larg': did you mean 'large'?" in result.stderr
    assert "warning: this gateway has no provider 'acne': did you mean 'acme'?" in result.stderr
    assert result.stderr.count("warning") == 2


def test_keys_are_listed_without_those_that_ended(run: Run, stub: Any) -> None:
    keys = [
        KEY,
        KEY | {"id": "key_2", "revoked_ms": 5},
        KEY | {"id": "key_3", "expires_ms": 5, "hint": ""},
        KEY | {"id": "key_4", "expires_ms": 4_102_444_800_000},
    ]
    stub.on("GET", "/v1/keys", {"object": "list", "data": keys})
    result = run("key", "list")
    assert "key_1" in result.stdout
    assert "…abcd" in result.stdout
    assert "valid until 2100-01-01" in result.stdout
    assert "key_2" not in result.stdout
    assert "2 revoked or expired" in result.stderr
    everything = run("key", "list", "--all")
    assert "revoked" in everything.stdout
    assert "expired" in everything.stdout
    assert len(json.loads(run("key", "list", "--json").stdout)["data"]) == 2


def test_a_key_is_revoked(run: Run, stub: Any) -> None:
    stub.on("DELETE", "/v1/keys/key_1", KEY)
    assert "key_1 (ci) is revoked" in run("key", "revoke", "key_1").stdout
    assert json.loads(run("key", "revoke", "key_1", "--json").stdout)["id"] == "key_1"
    assert run("key", "revoke", "key/..").exit_code == 1
    assert stub.asked[-1][1] == "/v1/keys/key%2F.."


# Providers

PROVIDERS = [
    {
        "id": "acme",
        "object": "provider",
        "name": "Acme",
        "tier": "emerging",
        "dialect": "openai",
        "enabled": True,
        "available": True,
        "needs": "",
        "local": False,
        "regions": ["eu"],
        "certifications": ["soc2"],
        "data_use": "none",
        "simulated": True,
        "models": [
            {
                "id": "acme/acme-large",
                "model": "acme-large",
                "context": 128000,
                "abilities": ["tools"],
                "price_usd_per_mtok": {"input": "2.5", "output": "10"},
                "retires": None,
            }
        ],
    },
    {
        "id": "openai",
        "object": "provider",
        "name": "OpenAI",
        "tier": "frontier",
        "dialect": "openai",
        "enabled": True,
        "available": False,
        "needs": "OPENAI_API_KEY",
        "regions": ["unknown"],
        "certifications": [],
        "data_use": "unknown",
        "simulated": False,
        "models": [],
    },
]


def test_providers_that_can_be_used_are_listed(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/providers", {"object": "list", "data": PROVIDERS})
    result = run("provider", "list")
    assert "acme" in result.stdout
    assert "ready (simulated)" in result.stdout
    assert "OPENAI_API_KEY" not in result.stdout
    assert "1 more cannot be used yet" in result.stderr
    everything = run("provider", "list", "--all")
    assert "needs OPENAI_API_KEY" in everything.stdout
    assert [row["id"] for row in json.loads(run("provider", "list", "--json").stdout)["data"]] == [
        "acme"
    ]


def test_no_usable_provider_is_said(run: Run, stub: Any) -> None:
    off = PROVIDERS[1] | {"enabled": False}
    stub.on("GET", "/v1/providers", {"object": "list", "data": [off]})
    assert "No provider can be used yet" in run("provider", "list").stdout
    assert "disabled" in run("provider", "list", "--all").stdout


def test_a_provider_is_shown_with_its_prices(run: Run, stub: Any) -> None:
    stub.on("GET", "/v1/providers", {"object": "list", "data": PROVIDERS})
    result = run("provider", "show", "acme")
    for part in ("Acme", "soc2", "acme-large", "2.5", "128000", "tools"):
        assert part in result.stdout
    assert json.loads(run("provider", "show", "acme", "--json").stdout)["id"] == "acme"
    missing = run("provider", "show", "acne")
    assert missing.exit_code == 1
    assert "did you mean 'acme'?" in missing.stderr


PROBE = {
    "ok": True,
    "status": 200,
    "latency_ms": 8.0,
    "credential": "accepted",
    "message": "The provider answers.",
}


def test_a_provider_is_tested(run: Run, stub: Any) -> None:
    stub.on("POST", "/v1/providers/acme/test", PROBE)
    result = run("provider", "test", "acme")
    assert result.exit_code == 0
    assert "accepted" in result.stdout
    refused = PROBE | {"ok": False, "status": 0, "message": "No answer."}
    stub.on("POST", "/v1/providers/acme/test", refused)
    failed = run("provider", "test", "acme", "--json")
    assert failed.exit_code == 1
    said = json.loads(failed.stdout)["error"]
    assert (said["code"], said["status"]) == ("probe_failed", 0)
    assert said["message"] == "acme does not pass: No answer."


def test_a_provider_is_switched(run: Run, stub: Any) -> None:
    switched = {"object": "provider", "id": "acme", "enabled": True, "version": 3, "probe": PROBE}
    stub.on("POST", "/v1/providers/acme/enable", switched)
    assert "acme is enabled" in run("provider", "enable", "acme", "--force").stdout
    assert stub.asked[0][3] == {"force": True}
    stub.on("POST", "/v1/providers/acme/disable", switched | {"enabled": False})
    assert "acme is disabled" in run("provider", "disable", "acme").stdout
    assert json.loads(run("provider", "disable", "acme", "--json").stdout)["version"] == 3


# Status

STATUS = {
    "status": "ok",
    "version": "0.1.0",
    "started_ms": 1,
    "uptime_s": 93784.0,
    "workers_wanted": 2,
    "workers": [{"slot": 0, "pid": 1, "since_ms": 1, "reported_ms": 1}],
    "config": {
        "version": 4,
        "digest": "x",
        "loaded_ms": 1,
        "deployments": 9,
        "usable_deployments": 3,
        "routes": 1,
        "problems": ["providers.yaml:3: unknown key"],
        "warnings": ["a warning"],
    },
    "store": {"writable": False, "lines": 1, "bad_lines": 0, "lost_calls": 0, "lag_ms": 0},
}


def test_health_shows_workers_store_and_configuration(run: Run, stub: Any) -> None:
    stub.on("GET", "/health", {"status": "ok"})
    stub.on("GET", "/health/ready", {"status": "ready"})
    stub.on("GET", "/admin/status", STATUS)
    result = run("status", "health")
    assert result.exit_code == 0
    for part in ("1 of 2", "1 d 2 h", "3 of 9 deployments usable", "not writable", "unknown key"):
        assert part in result.stdout
    assert "a warning" in result.stderr
    assert json.loads(run("status", "health", "--json").stdout)["status"]["version"] == "0.1.0"


ANCHORED = {"name": "file /a", "checkpoint": 7, "at_ms": 1, "failing_ms": None, "reason": ""}
FAILING = ANCHORED | {"name": "file /b", "failing_ms": 2, "reason": "The anchor file /b is gone."}
KEPT = {"kept": True, "reason": "", "records": 90}


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        (KEPT | {"anchors": []}, "90 records sealed, no anchor"),
        (KEPT | {"anchors": [ANCHORED]}, "90 records sealed, 1 anchor"),
        (KEPT | {"anchors": [ANCHORED, FAILING]}, "not anchored: The anchor file /b is gone."),
        (KEPT | {"kept": False, "reason": "disk full", "anchors": []}, "stands still: disk full"),
        (None, "not kept"),
    ],
)
def test_health_shows_how_the_evidence_stands(
    run: Run, stub: Any, evidence: object, shown: str
) -> None:
    stub.on("GET", "/health", {"status": "ok"})
    stub.on("GET", "/health/ready", {"status": "ready"})
    stub.on("GET", "/admin/status", STATUS | {"evidence": evidence})
    assert shown in run("status", "health").stdout


@pytest.mark.parametrize(("uptime_s", "shown"), [(5, "0 min 5 s"), (3700, "1 h 1 min")])
def test_the_time_since_the_start_is_readable(
    run: Run, stub: Any, uptime_s: float, shown: str
) -> None:
    stub.on("GET", "/health", {"status": "ok"})
    stub.on("GET", "/health/ready", {"status": "ready"})
    stub.on("GET", "/admin/status", STATUS | {"uptime_s": uptime_s})
    assert shown in run("status", "health").stdout


def test_a_gateway_that_is_not_ready_fails_and_says_why(run: Run, stub: Any) -> None:
    stub.on("GET", "/health", {"status": "ok"})
    stub.refuse("GET", "/health/ready", 503, "No deployment is usable.", "no_usable_deployment")
    stub.refuse("GET", "/admin/status", 403, "Not for this key.", "permission_denied")
    result = run("status", "health")
    assert result.exit_code == 1
    assert "No deployment is usable." in result.stdout
    assert "Not for this key." in result.stderr
    said = json.loads(run("status", "health", "--json").stdout)["error"]
    assert (said["code"], said["alive"], said["ready"]) == ("not_ready", True, False)
    stub.on("GET", "/health/ready", b"", 503)
    assert "does not say why" in run("status", "health").stderr


def test_stats_are_shown_by_deployment(run: Run, stub: Any) -> None:
    totals = {
        "since_ms": 1,
        "calls": 3,
        "outcomes": {"ok": 2, "error": 1},
        "input_tokens": 10,
        "output_tokens": 20,
        "cost_nano": 56_500,
        "cost_usd": 0.0000565,
        "unpriced_calls": 1,
    }
    row = totals | {"deployment": "acme/acme-large", "provider": "acme", "mean_ms": 12.0}
    stub.on("GET", "/v1/stats?window_s=3600", totals | {"deployments": [row]})
    result = run("status", "stats", "--window", "1h")
    for part in ("2 ok, 1 error", "10 in, 20 out", "$0.0000565", "1 calls of unknown price"):
        assert part in result.stdout
    assert "acme/acme-large" in result.stdout
    nothing = totals | {"outcomes": {}, "unpriced_calls": 0, "deployments": []}
    stub.on("GET", "/v1/stats?window_s=86400", nothing)
    assert "acme" not in run("status", "stats").stdout
    assert json.loads(run("status", "stats", "--json").stdout)["calls"] == 3
