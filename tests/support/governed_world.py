"""A running gateway put under policies: those given, or those of a configuration as written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from inprocess import Gateway

from federation.config.policies import read
from federation.domain.access import VirtualKey
from federation.domain.catalogue import Deployment
from federation.domain.policies import AnyRule, Attachment, Mode, Policy, Residency, digest_of
from federation.gateway.situation import situate

Alter = Callable[[int, Deployment], Deployment]

SOC2 = """\
policy:
  name: soc2-strict
  rules:
    - all_requests_logged: true
    - pii_exclusion_required: true
    - data_residency: [us, eu]
    - retention_days: 2555
    - encryption: aes-256-gcm
"""
"""The example of SPEC 8."""


def policy(*rules: AnyRule, name: str = "p", mode: Mode = Mode.ENFORCE, **attach: Any) -> Policy:
    """A policy of these rules, attached as said, with its digest."""
    made = Policy(name, rules, mode, attach=Attachment(**attach))
    return replace(made, digest=digest_of(made))


EU_ONLY = policy(Residency(places=("eu",)), name="eu-only")


def placed(*regions: str) -> Alter:
    """The deployments in these regions, in order; an empty word is an unknown one."""

    def alter(place: int, row: Deployment) -> Deployment:
        known = tuple(part for part in regions[place].split("+") if part)
        return replace(row, provider=replace(row.provider, regions=known))

    return alter


def bind(
    running: Gateway,
    *policies: Policy,
    store: tuple[str, ...] = (),
    alter: Alter | None = None,
    secrets: bool = True,
) -> None:
    """Put a gateway under these policies, as a new snapshot would. Without `secrets` nobody is
    signed in to."""
    before = running.world.current().snapshot
    rows = before.deployments
    if alter is not None:
        rows = tuple(alter(place, row) for place, row in enumerate(rows))
    after = replace(
        before,
        version=before.version + 1,
        deployments=rows,
        policies=policies,
        store_regions=store,
        secrets=before.secrets if secrets else {},
    )
    running.world.adopt(situate(after, date(2026, 1, 1)))


def hand(running: Gateway, **changes: Any) -> VirtualKey:
    """Change the test's key: its tenant, its team."""
    running.keys.key = replace(running.keys.key, **changes)
    return running.keys.key


def written(directory: Path, text: str, running: Gateway) -> tuple[Policy, ...]:
    """The policies of a file that holds this text."""
    folder = directory / "policies"
    folder.mkdir(exist_ok=True)
    (folder / "policies.yaml").write_text(text, "utf-8")
    providers = {
        row.provider.id: row.provider for row in running.world.current().snapshot.deployments
    }
    problems: list[Any] = []
    found = read(directory, providers, ("chat",), problems)
    assert problems == []
    return found
