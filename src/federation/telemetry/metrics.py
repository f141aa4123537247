"""Every metric that Federation has: name, help, labels, buckets. One table for both sides.

Safe for a worker to import. The trap: a name or label used anywhere must stand here first;
boards and alert rules refer to this table, and the exposition refuses what it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
OVERHEAD_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `buckets` are upper bounds, without +Inf; only histograms have them."""

    name: str
    kind: str
    """counter | histogram | gauge"""
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


REQUESTS = "federation_requests_total"
REQUEST_SECONDS = "federation_request_seconds"
FIRST_BYTE_SECONDS = "federation_first_byte_seconds"
OVERHEAD_SECONDS = "federation_overhead_seconds"
TOKENS = "federation_tokens_total"
COST = "federation_cost_usd_total"
ATTEMPTS = "federation_attempts_total"
FALLBACKS = "federation_fallbacks_total"
MENDED = "federation_mended_total"
HEDGES = "federation_hedges_total"
QUEUED = "federation_queued_calls"
MALFORMED = "federation_malformed_events_total"
REFUSED = "federation_refused_total"
INFLIGHT = "federation_inflight_requests"
CONNECTIONS = "federation_client_connections"
CIRCUIT = "federation_circuit_state"
BUDGET_USED = "federation_budget_used_ratio"
FINDINGS = "federation_guardrail_findings_total"
DEPLOYMENTS_DOWN = "federation_deployments_down"
JOURNAL_ERRORS = "federation_journal_errors_total"
LIMITED = "federation_limited_total"
LEASE_DENIALS = "federation_lease_denials_total"
RESPONSES_UNKEPT = "federation_responses_unkept_total"
WORKERS = "federation_workers"
SNAPSHOT_VERSION = "federation_snapshot_version"
CONFIG_PROBLEMS = "federation_config_problems"
STORE_WRITABLE = "federation_store_writable"
EVIDENCE_KEPT = "federation_evidence_log_kept"
ANCHORS_FAILING = "federation_evidence_anchors_failing"
INGEST_LINES = "federation_ingest_lines_total"
INGEST_BAD_LINES = "federation_ingest_bad_lines_total"
INGEST_LAG_SECONDS = "federation_ingest_lag_seconds"
LOST_CALLS = "federation_lost_calls_total"
LOST_CONTENTS = "federation_lost_contents_total"
START_SECONDS = "federation_start_time_seconds"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            REQUESTS,
            "counter",
            "Calls ended, by what became of them; provider and model are those that answered.",
            ("operation", "outcome", "provider", "model"),
        ),
        Metric(
            REQUEST_SECONDS,
            "histogram",
            "From a call's last request byte to its last answer byte.",
            ("operation", "provider"),
            LATENCY_S,
        ),
        Metric(
            FIRST_BYTE_SECONDS,
            "histogram",
            "From a request sent to a provider to the first byte of its answer.",
            ("provider", "model"),
            LATENCY_S,
        ),
        Metric(
            OVERHEAD_SECONDS,
            "histogram",
            "The part of a call's time that no provider was at work.",
            ("operation",),
            OVERHEAD_S,
        ),
        Metric(
            TOKENS,
            "counter",
            "Tokens of attempts; kind is input, output, cached, cache_write or reasoning.",
            ("kind", "provider", "model"),
        ),
        Metric(
            COST,
            "counter",
            "Cost of attempts in USD where the price is known; the ledger has exact figures.",
            ("provider", "model"),
        ),
        Metric(
            ATTEMPTS,
            "counter",
            "Requests to deployments, by result: ok or the error's code.",
            ("provider", "model", "result"),
        ),
        Metric(
            FALLBACKS,
            "counter",
            "Calls that went on to the next deployment, by the provider left behind.",
            ("provider",),
        ),
        Metric(
            MENDED,
            "counter",
            "Streams that broke and went on, by the provider that went on with them.",
            ("provider",),
        ),
        Metric(
            HEDGES,
            "counter",
            "Calls asked of a second deployment because the first took long; winner is who was "
            "faster: first or second.",
            ("provider", "winner"),
        ),
        Metric(QUEUED, "gauge", "Calls that wait for room at a provider."),
        Metric(
            MALFORMED,
            "counter",
            "Events of streams that could not be read and were left out, by provider.",
            ("provider",),
        ),
        Metric(
            REFUSED,
            "counter",
            "Requests that got an error before any deployment was asked, by its code.",
            ("code",),
        ),
        Metric(INFLIGHT, "gauge", "Calls being answered now."),
        Metric(CONNECTIONS, "gauge", "Client connections open now."),
        Metric(DEPLOYMENTS_DOWN, "gauge", "Deployments cooling down, as the worst worker sees it."),
        Metric(
            CIRCUIT,
            "gauge",
            "Circuit of a deployment that was asked: 0 closed, 1 half-open, 2 open; of the worker "
            "to which it looks worst.",
            ("provider", "model"),
        ),
        Metric(
            BUDGET_USED,
            "gauge",
            "What is spent of a budget's limit in this period, 1 being all of it; where each user "
            "or key has the limit, of who spent most. Since control started, once drawn upon.",
            ("tenant", "budget"),
        ),
        Metric(
            FINDINGS,
            "counter",
            "What content checks found in calls and answers, by type and what was done about it.",
            ("type", "action"),
        ),
        Metric(JOURNAL_ERRORS, "counter", "Records that the journal could not take."),
        Metric(
            LIMITED,
            "counter",
            "Calls refused because a limit was reached.",
            ("scope", "counts"),
        ),
        Metric(
            LEASE_DENIALS,
            "counter",
            "Times a provider was passed over because its request limit was used up.",
            ("provider",),
        ),
        Metric(
            RESPONSES_UNKEPT,
            "counter",
            "Answers that should have been kept for later calls and were not.",
            ("reason",),
        ),
        Metric(WORKERS, "gauge", "Inference workers connected to control."),
        Metric(SNAPSHOT_VERSION, "gauge", "Version of the configuration in force."),
        Metric(CONFIG_PROBLEMS, "gauge", "Problems in the configuration files, kept out of force."),
        Metric(STORE_WRITABLE, "gauge", "1 where the store takes writes, else 0."),
        Metric(
            EVIDENCE_KEPT, "gauge", "1 where the evidence log is kept, 0 where it stands still."
        ),
        Metric(ANCHORS_FAILING, "gauge", "Anchors that did not take the newest checkpoint."),
        Metric(INGEST_LINES, "counter", "Journal lines taken into the store."),
        Metric(INGEST_BAD_LINES, "counter", "Journal lines that could not be read."),
        Metric(INGEST_LAG_SECONDS, "gauge", "Age of the newest journal line when it was taken in."),
        Metric(LOST_CALLS, "counter", "Calls whose worker died before they ended."),
        Metric(LOST_CONTENTS, "counter", "Contents to be kept that nobody can read any more."),
        Metric(START_SECONDS, "gauge", "When control started, in Unix seconds."),
    )
}

WORST_OF_WORKERS = frozenset({DEPLOYMENTS_DOWN})
"""Gauges of which the largest worker's value is shown; all others are summed."""
