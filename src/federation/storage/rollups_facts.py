"""What a call adds to the sums of which groups. Pure, and the one place that says so.

The trap: a call is one, but its money may be several providers': it counts as a call where it
was answered, while tokens and cost count where they were used, attempt by attempt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from federation.pricing.savings import UNPRICED, band_of
from federation.storage.analytics_entries import Sums
from federation.storage.journal_reader import Began, Ended, Entry, Tried

LONGEST: Final = 200
"""Characters of a name in an index; PostgreSQL takes 2,700 bytes for all of a row's."""

_line = msgspec.json.Decoder(Entry).decode


class Facts(NamedTuple):
    """What a part of a call is grouped by."""

    tenant: str
    team: str
    user: str
    key: str
    provider: str
    model: str
    tag: str
    band: int
    first: bool
    """Not a repetition for a further tag."""


def name(value: str) -> str:
    """A name as an index can hold it; a long one keeps its beginning and what tells it apart."""
    clean = value.replace("\0", "\ufffd") if "\0" in value else value
    if len(clean) <= LONGEST:
        return clean
    return f"{clean[: LONGEST - 17]}~{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def line_of(json: bytes) -> Began | Ended:
    """A stored line, as far as sums need it."""
    return _line(json).record


def started(record: Began | Ended) -> int:
    """When the call began, in Unix milliseconds: its whole cost counts there."""
    if isinstance(record, Began):
        return record.at_ms
    return record.started_ms or record.at_ms


def parts(record: Began | Ended) -> Iterator[tuple[str, int, Sums]]:
    """What a call adds, and to whom: deployment, band, sums. The tag stays open.

    The call itself counts where it was answered, tokens and money where they were used: a
    fallback's first provider may have billed too.
    """
    if isinstance(record, Began):
        yield record.deployment, UNPRICED, Sums(calls=1, failed=1, unpriced=1)
        return
    band = band_of(record.usage, record.cost_nano)
    failed, duration_us = int(record.outcome != "ok"), round(record.duration_ms * 1000)
    if not record.attempts:
        yield record.deployment, band, _used(record, 1, failed, duration_us)
        return
    one = record.attempts[0]
    bands = [band_of(tried.usage, tried.cost_nano) for tried in record.attempts]
    if len(bands) == 1 and bands[0] == band and one.deployment == record.deployment:
        # Nearly every call: one part in the place of two.
        yield record.deployment, band, _used(one, 1, failed, duration_us, 1, int(one.error != ""))
        return
    yield record.deployment, band, Sums(1, failed, duration_us)
    for tried, each in zip(record.attempts, bands, strict=True):
        yield tried.deployment, each, _used(tried, 0, 0, 0, 1, int(tried.error != ""))


def _used(
    one: Ended | Tried,
    calls: int,
    failed: int,
    duration_us: int,
    attempts: int = 0,
    failed_attempts: int = 0,
) -> Sums:
    usage, cost = one.usage, one.cost_nano
    return Sums(
        calls,
        failed,
        duration_us,
        attempts,
        failed_attempts,
        int(cost is None),
        int(usage.estimated),
        usage.input,
        usage.output,
        usage.cached,
        usage.cache_write,
        usage.cache_write_long,
        usage.audio_input,
        usage.audio_output,
        usage.reasoning,
        cost or 0,
    )


def facts(record: Began | Ended, *, tagged: bool) -> Iterator[tuple[Facts, Sums]]:
    """What a call adds to each group; once for each of its tags where these are asked for."""
    who = [record.tenant, "", "", record.key]
    tags = [""]
    if isinstance(record, Ended):
        who[1:3] = record.team, record.user
        if tagged and record.tags:
            tags = sorted({name(f"{key}={value}") for key, value in record.tags.items()})
    tenant, team, user, key = map(name, who)
    for deployment, band, sums in parts(record):
        provider, _, model = deployment.partition("/")
        for tag in tags:
            place = (name(provider), name(model), tag, band, tag == tags[0])
            yield Facts(tenant, team, user, key, *place), sums
