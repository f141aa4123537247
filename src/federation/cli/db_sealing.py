"""The work of `federation db give-up-keys`: sealing keys that went with a master key.

The trap: it cannot be undone. So what becomes unreadable is said first, and nothing is done
before somebody who has read that asks for it with `--force`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from federation.bootstrap.secret_sources import SecretSources
from federation.cli import db_store, direct, output
from federation.cli.db_work import no_replica, nobody
from federation.cli.failures import CommandFailed
from federation.cli.place import Place
from federation.storage import sealing_lost
from federation.storage.masters import agreed_master
from federation.storage.sealing_brought import FILE as BROUGHT
from federation.storage.sealing_brought import Brought
from federation.storage.sealing_entries import DATA, NAMES, SPOOL, KeyEntry
from federation.storage.sealing_keys import SqlSealingKeys, prepare_keys
from federation.storage.sealing_roots import MasterRoot
from federation.storage.secrets import hash_key

_MOST_NAMED = 20


def give_up(place: Place, *, force: bool, as_json: bool) -> None:
    """Give up the sealing keys of a shared database that a former master key wrapped. Raises
    `NotFound`, `CommandFailed`."""
    nobody(place)
    with db_store.existing(place) as stores:
        if not stores.shared:
            message = "Sealing keys go with the master key only where replicas share a database."
            raise CommandFailed(message, code="not_shared")
        no_replica(stores.durable)
        vault = SecretSources(place.environ).read
        master = agreed_master(stores.durable, place.data_dir, place.environ, vault)
        prepare_keys(stores.durable)
        keys = SqlSealingKeys(lambda: stores.durable)
        brought = Brought(place.data_dir / "keys" / BROUGHT).read()
        entries = sealing_lost.lost(keys, MasterRoot(master), brought)
        facts = _facts(entries)
        if entries and not as_json:
            _say(facts)
        _check(keys, entries, force=force)
        if entries:
            subject = f"{len(entries)} sealing keys of {_named(facts.tenants)}"
            with direct.recorded(place, hash_key(master), "give up sealing keys", subject):
                sealing_lost.give_up(keys, entries, int(time.time() * 1000))
    if as_json:
        output.print_json({"object": "sealing_keys", "given_up": len(entries)} | asdict(facts))
    elif entries:
        output.say(f"{len(entries)} keys are given up. New ones are made at the next need.")
    else:
        output.say("No sealing key was wrapped by another master key than the one of now.")


def _check(keys: SqlSealingKeys, entries: Sequence[KeyEntry], *, force: bool) -> None:
    if held := sealing_lost.held(keys, entries):
        message = f"Legal holds cover them: {_named(held)}."
        hint = "Put the former master key back to read them, or release the holds first."
        raise CommandFailed(message, hint=hint, code="held")
    if entries and not force:
        raise CommandFailed(
            "Nothing was given up.",
            hint="With the former master key, and `federation db accept-master`, all of it opens "
            "again. Where that key is lost, give up with --force.",
            code="not_forced",
            details=asdict(_facts(entries)),
        )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What hangs on keys that are lost."""

    tenants: list[str]
    people: int
    """Of whom something was sealed."""
    name_keys: int
    spool_keys: int


def _facts(entries: Sequence[KeyEntry]) -> _Facts:
    kinds = Counter(entry.kind for entry in entries)
    people = {(entry.tenant, entry.subject) for entry in entries if entry.kind == DATA}
    tenants = sorted({entry.tenant for entry in entries if entry.tenant})
    return _Facts(tenants, len(people), kinds[NAMES], kinds[SPOOL])


def _named(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _say(facts: _Facts) -> None:
    output.say(f"Of {_named(facts.tenants) or 'no tenant'} this is unreadable for good:")
    output.say(f"  contents, stored responses and names of {facts.people} people")
    output.say(
        f"  what pseudonyms were made with, of {facts.name_keys} tenants: who calls from now"
    )
    output.say("  on has another, and nothing ties it to the one in records of before")
    output.say(f"  contents on their way into the store, under {facts.spool_keys} keys")
