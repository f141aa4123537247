"""Versions of policies that were proposed, and approvals that policies ask for.

The trap: two who decide at once. What is decided is decided in one transaction that finds it
still proposed, so the second hears that it is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import msgspec
from sqlalchemy import Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from federation.domain.approvals import Approval, Change, PolicyVersion, Proposal, Stage
from federation.domain.policies import Policy
from federation.storage.engine import reading, writing
from federation.storage.tables_oversight import policy_approvals, policy_versions

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Policy | None).decode
_PROPOSAL = tuple(Proposal.__dataclass_fields__)


class SqlPolicyVersions:
    """Versions in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def propose(
        self,
        name: str,
        make: Callable[[int], PolicyVersion],
        heard: Callable[[PolicyVersion], None],
    ) -> PolicyVersion | None:
        """Keep what `make` makes of the next number; None where another took it meanwhile. `heard`
        is called before the commit; what it raises leaves all as it was."""
        c = policy_versions.c
        with writing(self._engine) as connection:
            newest = connection.scalar(select(func.max(c.version)).where(c.name == name)) or 0
            made = make(newest + 1)
            try:
                with connection.begin_nested():
                    connection.execute(insert(policy_versions), _version_row(made))
            except IntegrityError:
                return None
            heard(made)
        return made

    def find(self, proposal: str) -> PolicyVersion | None:
        """One, or None."""
        query = select(policy_versions).where(policy_versions.c.id == proposal)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _version(row)

    def list(self, name: str | None, stage: Stage | None) -> list[PolicyVersion]:
        """By name and version."""
        c = policy_versions.c
        query = select(policy_versions).order_by(c.name, c.version)
        if name is not None:
            query = query.where(c.name == name)
        if stage is not None:
            query = query.where(c.stage == stage.value)
        with reading(self._engine) as connection:
            return [_version(row) for row in connection.execute(query)]

    def decide(self, after: PolicyVersion, heard: Callable[[], None]) -> bool:
        """Put a decision in the place of a proposal; False where it is none any more.

        One that is approved takes the place of the approved version of its name. `heard` is
        called before the commit; what it raises leaves all as it was.
        """
        c, stage = policy_versions.c, Stage.APPROVED
        with writing(self._engine) as connection:
            done = connection.execute(
                update(policy_versions)
                .where(c.id == after.proposal.id, c.stage == Stage.PROPOSED.value)
                .values(**_version_row(after))
            )
            if done.rowcount != 1:
                return False
            if after.proposal.stage is stage:
                connection.execute(
                    update(policy_versions)
                    .where(c.name == after.proposal.name, c.stage == stage.value)
                    .where(c.id != after.proposal.id)
                    .values(stage=Stage.SUPERSEDED.value)
                )
            heard()
        return True


class SqlApprovals:
    """Approvals in a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, approval: Approval, heard: Callable[[], None]) -> None:
        """Keep a proposal. `heard` is called before the commit; what it raises leaves all as it
        was."""
        with writing(self._engine) as connection:
            connection.execute(insert(policy_approvals), _approval_row(approval))
            heard()

    def find(self, proposal: str) -> Approval | None:
        """One, or None."""
        query = select(policy_approvals).where(policy_approvals.c.id == proposal)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _approval(row)

    def list(self, stage: Stage | None, after_ms: int | None = None) -> list[Approval]:
        """The oldest first; those alone that hold after some time, where one is given."""
        c = policy_approvals.c
        query = select(policy_approvals).order_by(c.proposed_ms, c.id)
        if stage is not None:
            query = query.where(c.stage == stage.value)
        if after_ms is not None:
            query = query.where(c.until_ms > after_ms)
        with reading(self._engine) as connection:
            return [_approval(row) for row in connection.execute(query)]

    def decide(self, after: Approval, was: Stage, heard: Callable[[], None]) -> bool:
        """Replace one that is in the stage `was`; False where it is not. `heard` is called before
        the commit; what it raises leaves all as it was."""
        c = policy_approvals.c
        with writing(self._engine) as connection:
            done = connection.execute(
                update(policy_approvals)
                .where(c.id == after.proposal.id, c.stage == was.value)
                .values(**_approval_row(after))
            )
            if done.rowcount != 1:
                return False
            heard()
        return True


def _proposed(row: Row[Any]) -> Proposal:
    whole = row._asdict()
    said = {name: whole[name] for name in _PROPOSAL}
    return replace(Proposal(**said), stage=Stage(said["stage"]))


def _flat(proposal: Proposal) -> dict[str, Any]:
    return asdict(proposal) | {"stage": proposal.stage.value}


def _version_row(version: PolicyVersion) -> dict[str, Any]:
    own = {
        "version": version.version,
        "change": version.change.value,
        "digest": version.digest,
        "body": version.body,
        "policy": _encode(version.policy),
    }
    return _flat(version.proposal) | own


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(
        _proposed(row), row.version, Change(row.change), _decode(row.policy), row.body
    )


def _approval_row(approval: Approval) -> dict[str, Any]:
    own = {"until_ms": approval.until_ms, "tenant": approval.tenant, "key": approval.key}
    return _flat(approval.proposal) | own


def _approval(row: Row[Any]) -> Approval:
    return Approval(_proposed(row), row.until_ms, row.tenant, row.key)
