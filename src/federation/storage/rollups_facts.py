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


Added = tuple[int, ...]
"""Sums of one call, in the order of `Sums`: plain, because making a named tuple costs more."""
Part = tuple[str, int, Added]
"""Deployment, band, and what is added there."""
LOST_CALL: Final[Added] = Sums(calls=1, failed=1, unpriced=1)


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


def parts(record: Began | Ended) -> list[Part]:
    """What a call adds, and to whom; the tag stays open.

    The call itself counts where it was answered, tokens and money where they were used: a
    fallback's first provider may have billed too.
    """
    if isinstance(record, Began):
        return [(record.deployment, UNPRICED, LOST_CALL)]
    failed, duration_us = int(record.outcome != "ok"), round(record.duration_ms * 1000)
    attempts = record.attempts
    band = band_of(record.usage, record.cost_nano)
    if not attempts:
        return [(record.deployment, band, _used(record, 1, failed, duration_us, 0, 0))]
    if len(attempts) == 1:
        one = attempts[0]
        if one.deployment == record.deployment and band_of(one.usage, one.cost_nano) == band:
            # Nearly every call: one part in the place of two.
            sums = _used(one, 1, failed, duration_us, 1, int(one.error != ""))
            return [(one.deployment, band, sums)]
    itself: Added = (1, failed, duration_us, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    tried: list[Part] = [
        (
            each.deployment,
            band_of(each.usage, each.cost_nano),
            _used(each, 0, 0, 0, 1, int(each.error != "")),
        )
        for each in attempts
    ]
    return [(record.deployment, band, itself), *tried]


def _used(
    one: Ended | Tried, calls: int, failed: int, duration_us: int, attempts: int, broken: int
) -> Added:
    usage, cost = one.usage, one.cost_nano
    return (
        calls,
        failed,
        duration_us,
        attempts,
        broken,
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


def tags_of(record: Began | Ended) -> tuple[str, ...]:
    """A call's tags as they are grouped by: each once, in order."""
    if isinstance(record, Began) or not record.tags:
        return ()
    return tuple(sorted({name(f"{key}={value}") for key, value in record.tags.items()}))


def facts(record: Began | Ended, *, tagged: bool) -> Iterator[tuple[Facts, Added]]:
    """What a call adds to each group; once for each of its tags where these are asked for."""
    who = (record.tenant, "", "", record.key)
    tags = tags_of(record) or ("",) if tagged else ("",)
    if isinstance(record, Ended):
        who = (record.tenant, record.team, record.user, record.key)
    tenant, team, user, key = map(name, who)
    for deployment, band, sums in parts(record):
        provider, _, model = deployment.partition("/")
        for tag in tags:
            yield Facts(tenant, team, user, key, name(provider), name(model), tag, band), sums
