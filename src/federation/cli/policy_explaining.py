"""What `federation policy explain` does: what a caller would get now, or why a call was refused.

The trap: policies judge every deployment that a configuration lists, and most of those have no
credential here, or are not what the call names. So who may serve is told of those alone that the
name reaches and that could be asked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from federation.cli import offline
from federation.cli.client import part
from federation.cli.configuring import named_directory
from federation.cli.failures import CommandFailed, Exit
from federation.cli.output import facts as show_facts
from federation.cli.output import note, print_json, say, table
from federation.cli.place import Place
from federation.config.nearest import nearest
from federation.domain.access import DEFAULT_TENANT
from federation.domain.policies import Policy
from federation.domain.routes import AUTO
from federation.gateway.deciding import PASSAGE
from federation.gateway.world import Situation
from federation.governance.explain import Reason, duties, reasons
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Ruling
from federation.routing.eligible import meaning, removed_by
from federation.routing.fleet import CHAT, Fleet
from federation.routing.names import Resolved

_SHOWN = 40
_FEW = 5
_OFFERED = ("operation", "dialect")


@dataclass(frozen=True, slots=True)
class Asked:
    """The call that is to be explained, as said on the command line."""

    tenant: str
    team: str
    key: str
    route: str
    operation: str
    privacy: str | None
    data_classes: tuple[str, ...] | None
    tags: tuple[str, ...]
    approvals: tuple[str, ...]
    at: str | None

    def facts(self, name: str, situation: Situation) -> CallFacts:
        """The same for the policies, for a call that names `name`; `CommandFailed` for what
        cannot be read. Approvals that were given count like those that were said."""
        at_ms = _moment(self.at)
        given = {
            each.name
            for each in situation.snapshot.approvals
            if each.covers(self.tenant, self.key, at_ms)
        }
        return CallFacts(
            tenant=self.tenant,
            operation=self.operation,
            at_ms=at_ms,
            key=self.key,
            team=self.team,
            route=name,
            privacy=self.privacy,
            data_classes=None if self.data_classes is None else frozenset(self.data_classes),
            approvals=frozenset({*self.approvals, *given}),
            tags=dict(_pair(tag) for tag in self.tags),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a call by a name comes to. Deployments stand with those first that can be asked, then
    those of the operator's own providers."""

    name: str
    reached: tuple[str, ...]
    allowed: tuple[str, ...]
    unready: Mapping[str, str]
    """Who cannot be asked at all, and the rule that says so."""
    reasons: Mapping[str, tuple[Reason, ...]]
    ruling: Ruling


def explain(place: Place, asked: Asked, deployment: str | None, *, as_json: bool) -> None:
    """Say who may serve a call, and why not the others. Raises `ConfigError`, `NotFound`."""
    named_directory(place.config)
    setup = offline.setup_of(place)
    _check_tenant(place, asked.tenant, setup.situation.snapshot.policies)
    found = _answer(setup.situation, setup.loaded.configured, asked, deployment)
    if as_json:
        _print(found)
        return
    _show(found)
    if asked.data_classes == ():
        unsaid = replace(asked, data_classes=None)
        silent = _answer(setup.situation, setup.loaded.configured, unsaid, deployment)
        _show_silent([name for name in found.allowed if name not in silent.allowed])


def _check_tenant(place: Place, tenant: str, policies: Sequence[Policy]) -> None:
    """A misspelled tenant is bound by what binds everybody, which looks like an answer."""
    named = {each for policy in policies for each in policy.attach.tenants}
    if tenant.lower() in (DEFAULT_TENANT, *(name.lower() for name in named)):
        return
    there = offline.has_tenant(place, tenant.lower())
    if there is False:
        message = f"There is no tenant '{tenant}', and no policy names it"
        near = nearest(tenant, named).removeprefix(": ")
        raise CommandFailed(f"{message}.", hint=near, exit_code=Exit.USAGE)
    if there is None:
        note(f"No policy names the tenant '{tenant}': it is judged as any other.")


def explain_call(place: Place, call: str, *, as_json: bool) -> None:
    """Say what its record holds of why a call was refused, or who served it."""
    told = place.gateway().get(f"/v1/calls/{part(call)}")
    decision = told.get("decision") or {}
    removed = told["refusals"] or decision.get("removed") or {}
    rules = [{"rule": rule, "removed": n, "why": _why(rule)} for rule, n in removed.items()]
    if as_json:
        names = ("id", "tenant", "key", "operation", "requested", "outcome", "status", "error")
        more = {name: told[name] for name in ("deployment", "policies", "findings", "watched")}
        print_json({name: told[name] for name in names} | more | {"rules": rules})
        return
    ended = [told["outcome"], told["status"], told["error"]]
    show_facts(
        [
            ("Call", told["id"]),
            ("Named", told["requested"] or AUTO),
            ("Tenant", told["tenant"]),
            ("Key", told["key"]),
            ("Ended", " ".join(str(each) for each in ended if each)),
            ("Served by", told["deployment"] or "nobody"),
            ("Bound by", told["policies"] or "no policy"),
        ]
    )
    if rules:
        rows = [(each["rule"], each["removed"], each["why"]) for each in rules]
        table(("=Rule", ">Kept out", "Why"), rows)
    else:
        say("No rule kept a deployment from it.")
    for found, count in told["findings"].items():
        say(f"Content checks: {found}, {count}")
    for rule, count in told["watched"].items():
        say(f"In report mode: {rule}, {count}")


def _why(rule: str) -> str:
    """Rules of policies stand as `policy.rule` in the record of a refusal."""
    policy, dot, own = rule.rpartition(".")
    if not dot:
        return meaning(rule)
    return f"rule {own} of {'the call itself' if policy == 'call' else f'the policy {policy}'}"


def _answer(
    situation: Situation, configured: frozenset[str], asked: Asked, deployment: str | None
) -> _Answer:
    book, ids = situation.book, situation.fleet.ids
    if deployment is not None and deployment not in ids:
        raise CommandFailed(f"There is no deployment '{deployment}'.", exit_code=Exit.USAGE)
    name = asked.route or deployment or ""
    fleet, target = _meant(situation, name, asked.operation)
    if asked.operation != PASSAGE:  # a passage that names no model is no call for any
        name = target.name
    reached = target.mask
    if deployment is not None:
        reached &= 1 << ids.index(deployment)
        if not reached:
            message = f"'{name}' does not reach '{deployment}'."
            raise CommandFailed(message, exit_code=Exit.USAGE)
    facts = asked.facts(name, situation)
    ruling, every = book.rule(facts), reasons(book, facts)
    out = removed_by(fleet, target, ())

    def place(index: int) -> tuple[bool, bool, int]:
        provider = situation.snapshot.deployments[index].provider.id
        return ids[index] in out, provider not in configured, index

    ordered = sorted(book.census.members(reached), key=place)
    allowed = [i for i in ordered if ruling.mask >> i & 1 and ids[i] not in out]
    names = tuple(ids[index] for index in ordered)
    return _Answer(
        name=name,
        reached=names,
        allowed=tuple(ids[index] for index in allowed),
        unready={each: out[each] for each in names if each in out},
        reasons={each: every[each] for each in names if each in every},
        ruling=ruling,
    )


def _meant(situation: Situation, name: str, operation: str) -> tuple[Fleet, Resolved]:
    """What a name stands for in an operation. Raises `NotFound`."""
    if operation == CHAT:
        return situation.fleet, situation.fleet.resolve(name or None)
    for (offered, _), fleet in situation.fleets.items():
        if offered == operation:
            return fleet, fleet.resolve(name or None)
    # No row lists what a passage asks for, nor in which wire language.
    target = situation.fleet.resolve(name or AUTO)
    rules = tuple(rule for rule in target.rules if rule[0] not in _OFFERED)
    return situation.fleet, replace(target, rules=rules)


def _print(found: _Answer) -> None:
    print_json(
        {
            "name": found.name,
            "policies": list(found.ruling.policies),
            "reached": list(found.reached),
            "allowed": list(found.allowed),
            "cannot_be_asked": dict(found.unready),
            "obligations": duties(found.ruling.obligations),
            "would_oblige": duties(found.ruling.would),
            "reasons": {name: [asdict(r) for r in said] for name, said in found.reasons.items()},
        }
    )


def _show(found: _Answer) -> None:
    all_ = len(found.reached)
    named = f"'{found.name}'" if found.name else "A call that names no model"
    say(f"Bound by: {', '.join(found.ruling.policies) or 'no policy'}", "bold")
    say(f"{named} reaches {all_} deployment{'' if all_ == 1 else 's'}.")
    say(f"May serve the call: {len(found.allowed)}: {_some(found.allowed, _SHOWN)}")
    ready = [name for name in found.reached if name not in found.unready]
    out = [name for name in ready if name not in found.allowed]
    if out:
        say(f"Kept out by policies: {len(out)}: {_some(out, _FEW)}")
    groups: dict[str, list[str]] = {}
    for name, rule in found.unready.items():
        groups.setdefault(rule, []).append(name)
    for rule, names in groups.items():
        say(f"Cannot be asked: {len(names)}: {_some(names, _FEW)} ({rule}: {meaning(rule)})")
    for duty, value in duties(found.ruling.obligations).items():
        say(f"Obliges: {duty}{_demanded(value)}")
    # What policies say of those that cannot be asked anyway is of use where somebody named them.
    judged = ready if all_ > _FEW else found.reached
    told = [name for name in judged if name in found.reasons]
    rows = [
        (
            name,
            "out" if r.enforced else "would be out",
            f"{r.policy or 'the call'}: {r.rule}",
            r.text,
        )
        for name in told[:_SHOWN]
        for r in found.reasons[name]
    ]
    if rows:
        table(("=deployment", "", "=rule", "why"), rows)
    more = len(told) - _SHOWN
    if more > 0:
        note(f"{more} more; --json lists all, --deployment shows one.")


def _demanded(value: Any) -> str:
    """What stands behind the name of a duty: nothing where its name says all."""
    if value is True:
        return ""
    if isinstance(value, dict):
        return ": " + ", ".join(f"{name} {each}" for name, each in value.items())
    if not isinstance(value, list):
        return f": {value}"
    # Of lists in a list each must be met.
    return ": " + " and ".join(
        ", ".join(map(str, each)) if isinstance(each, list) else str(each) for each in value
    )


def _show_silent(lost: Sequence[str]) -> None:
    """Say who serves only calls that state their data: clients that were told nothing do not."""
    if lost:
        say(
            f"Only where the call says what data it holds (`data_classes`, [] for none): "
            f"{len(lost)}: {_some(lost, _FEW)}. --unclassified shows the rules."
        )


def _some(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most]) or 'nobody'}{more}"


def _pair(tag: str) -> tuple[str, str]:
    name, equals, value = tag.partition("=")
    if not equals or not name:
        raise CommandFailed(f"'{tag}' should be NAME=VALUE.", exit_code=Exit.USAGE)
    return name, value


def _moment(text: str | None) -> int:
    if text is None:
        return int(time.time() * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise CommandFailed(
            f"'{text}' should be a time with its offset, such as 2026-01-07T12:00:00+01:00.",
            exit_code=Exit.USAGE,
        )
    return int(at.timestamp() * 1000)
