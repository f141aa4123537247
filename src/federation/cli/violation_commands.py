"""`federation violation`: what went against the policies, and what is done about it."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, in_lower_case
from federation.domain.violations import Kind, State

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List violations of policies, look after them, and do something about them.",
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The violation's id.")]
RemedyId = Annotated[str, typer.Argument(metavar="REMEDY", help="The remedy's id.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="A word about it.")]


@app.command(name="list")
@guarded
def list_violations(
    state: Annotated[State | None, typer.Option("--state", help="Left out: all.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Left out: all.")] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", metavar="NAME", help="Left out: all.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="Left out: all you can see.")
    ] = None,
    *,
    at: At,
) -> None:
    """List violations, those seen last first."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    wanted = {
        "state": state.value if state is not None else None,
        "kind": kind.value if kind is not None else None,
        "policy": policy,
        "tenant": tenant,
    }
    violation_work.list_all(at.place, wanted, as_json=at.as_json)


@app.command()
@guarded
def show(violation: Id, *, at: At) -> None:
    """Show one with its calls, and what was done about it."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.show(at.place, violation, as_json=at.as_json)


@app.command()
@guarded
def ack(violation: Id, note: Note = "", *, at: At) -> None:
    """Say that you look after it."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.move(at.place, violation, "acknowledge", note, as_json=at.as_json)


@app.command()
@guarded
def resolve(
    violation: Id,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was done.")],
    *,
    at: At,
) -> None:
    """Close it; what is seen of its kind from now on is another."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.move(at.place, violation, "resolve", note, as_json=at.as_json)


@app.command()
@guarded
def remedy(
    violation: Id,
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION",
            callback=in_lower_case,
            help="disable_key, revoke_key, disable_provider, enforce_policy or open_approval.",
        ),
    ],
    subject: Annotated[
        str, typer.Option("--subject", metavar="ID", help="Left out: the violation's own.")
    ] = "",
    *,
    at: At,
) -> None:
    """Do something about it, or propose it where another person has to approve."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.remedy(at.place, violation, action, subject, as_json=at.as_json)


@app.command()
@guarded
def approve(remedy_id: RemedyId, *, at: At) -> None:
    """Do what another person has proposed."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.decide(at.place, remedy_id, "approve", as_json=at.as_json)


@app.command()
@guarded
def reject(remedy_id: RemedyId, *, at: At) -> None:
    """Let it not be done."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.decide(at.place, remedy_id, "reject", as_json=at.as_json)


@app.command()
@guarded
def undo(remedy_id: RemedyId, *, at: At) -> None:
    """Put back what was before."""
    from federation.cli import violation_work  # noqa: PLC0415 - start-up time

    violation_work.decide(at.place, remedy_id, "undo", as_json=at.as_json)
