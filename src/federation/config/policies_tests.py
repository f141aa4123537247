"""Reads policies/tests/*.yaml: calls, and what the policies should say of them.

The trap: these files bind nobody, so they are read by `federation policy test` alone; a gateway
starts with a broken one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from federation.config import document
from federation.config.document import Document
from federation.config.policies import DIRECTORY, TESTS
from federation.config.policies_rows import Filled, Operation
from federation.config.problems import translate
from federation.config.provider_row import Listed, Name, Written
from federation.domain.access import DEFAULT_TENANT
from federation.domain.policies import PiiAction, Trial
from federation.errors import Problem

_NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
"""A Wednesday; the time of tests that name none."""
Size = Annotated[int, Field(ge=0, le=10**12)]


def _moment(value: Any) -> int:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("should be a time with its offset, such as 2026-01-07T12:00:00+01:00")
    return int(at.timestamp() * 1000)


class CallRow(Written):
    """The facts of a call."""

    tenant: Name = DEFAULT_TENANT
    team: Name | None = ""
    key: str = ""
    route: str = ""
    operation: Operation = "chat"
    at_ms: Annotated[int, BeforeValidator(_moment), Field(alias="at")] = int(
        _NOON.timestamp() * 1000
    )
    privacy: str | None = None
    data_classes: Annotated[tuple[str, ...], Listed] | None = ()
    """Left out, classified and found to hold none; null is unclassified."""
    approvals: Annotated[tuple[str, ...], Listed] = ()
    user: str = ""
    session: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    needs: Annotated[tuple[str, ...], Listed] = ()
    stream: bool = False
    messages: Size = 1
    text_bytes: Size = 100
    max_output: Size | None = None
    images: Size = 0
    audio: Size = 0
    files: Size = 0
    tools: Size = 0

    @field_validator("tags", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        return {key: str(each) for key, each in value.items()} if isinstance(value, dict) else value


class DutyRow(Written):
    """Obligations that should hold."""

    logged: bool | None = None
    durability: Literal["disk"] | None = None
    pii: PiiAction | None = None
    pii_types: dict[str, PiiAction] | None = None
    pii_patterns: Annotated[list[str], Listed] | None = None
    pii_on_failure: Literal["block"] | None = None
    pii_max_characters: int | None = None
    guardrails: Annotated[list[str], Listed] | None = None
    retention_days: int | None = None
    payload_days: int | None = None
    keep_payloads: bool | Literal["hashes"] | None = None
    encryption: str | None = None
    max_cost: str | None = None
    residency: list[list[str]] | None = None
    approvals: list[str] | None = None
    listed_fields_only: bool | None = None

    @field_validator("max_cost", mode="before")
    @classmethod
    def _amount(cls, value: Any) -> Any:
        return None if value is None else str(value)


class TrialRow(Written):
    """One policy test."""

    name: Annotated[str, Field(min_length=1, max_length=300)]
    call: CallRow = Field(default_factory=CallRow)
    deployment: str = ""
    expect: Literal["allow", "deny"]
    why: str = ""
    duties: DutyRow | None = None


class TrialFile(Written):
    """The whole of a file of policy tests."""

    tests: Annotated[tuple[TrialRow, ...], Filled]


def sources(config_dir: Path) -> list[Path]:
    """The files of policy tests, in name order."""
    return sorted((config_dir / DIRECTORY / TESTS).glob("*.yaml"))


def read(paths: list[Path], problems: list[Problem]) -> list[Trial]:
    """The tests of these files; what is wrong is added to `problems`."""
    trials: list[Trial] = []
    for path in paths:
        where = document.read(path, str(path))
        problems += where.problems
        if where.value is None:
            problems.append(where.problem((), "holds no tests"))
            continue
        try:
            whole = TrialFile.model_validate(where.value)
        except ValidationError as error:
            problems += translate(error, TrialFile, where, ())
            continue
        trials += [_trial(row, at, where) for at, row in enumerate(whole.tests)]
    return trials


def _trial(row: TrialRow, at: int, where: Document) -> Trial:
    place = where.place(("tests", at))
    call = row.call.model_dump()
    classes = call["data_classes"]
    call["data_classes"] = None if classes is None else frozenset(classes)
    call["approvals"] = frozenset(call["approvals"])
    return Trial(
        name=row.name,
        call=call,
        allow=row.expect == "allow",
        deployment=row.deployment,
        why=row.why,
        duties={} if row.duties is None else row.duties.model_dump(mode="json", exclude_unset=True),
        file=place.where,
        line=place.line or 0,
    )
