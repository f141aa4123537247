"""Live facts about deployments: what health tells routing, as parallel columns.

All lists are indexed like `Snapshot.deployments`. The board that fills them lives in
`resilience`; a strategy only reads.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Live:
    """Columns of predictions and states; `None`-free so that a score never branches.

    `first_token_ms` and `tokens_per_s` are the live median shrunk to the catalogue's prior,
    `p99_first_ms` the 99th percentile of the time to the first token (0: nothing measured),
    `p95_ms` the 95th percentile of whole latency, `success` the decayed success rate shrunk
    to 1, `inflight` the attempts now running on this worker, `down_until` the clock time
    (seconds, monotonic) before which the deployment is cooling down or its circuit is open.
    """

    first_token_ms: list[float]
    tokens_per_s: list[float]
    p95_ms: list[float]
    success: list[float]
    inflight: list[int]
    down_until: list[float]
    p99_first_ms: list[float]
    crowded: frozenset[int] = frozenset()
    """Hosts of our own that have too much to do: `local_first` goes elsewhere."""
    version: int = 0
    """Another whenever speeds or success rates are; what is made of them is kept as long."""
