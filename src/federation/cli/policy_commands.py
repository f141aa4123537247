"""`federation policy`: check, test, compare and explain the rules of config/policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check, test, compare and explain the policies of the configuration.",
)

Tenant = Annotated[str, typer.Option("--tenant", metavar="ID")]
Team = Annotated[str, typer.Option("--team", metavar="NAME")]
Key = Annotated[str, typer.Option("--key", metavar="ID", help="The id of a virtual key.")]
Route = Annotated[
    str, typer.Option("--route", "-m", metavar="NAME", help="The model that the call names.")
]
Operation = Annotated[str, typer.Option("--operation", metavar="NAME", help="chat if left out.")]
PrivacyLevel = Annotated[
    str | None,
    typer.Option(
        "--privacy",
        metavar="LEVEL",
        help="That the call asks for: public, internal, confidential, restricted.",
    ),
]
DataClasses = Annotated[
    list[str] | None,
    typer.Option("--data-class", metavar="NAME", help="Data that it holds, as pii or phi; repeat."),
]
Unclassified = Annotated[
    bool, typer.Option("--unclassified", help="Nobody looked which classes of data it holds.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="Repeat.")]
Approvals = Annotated[
    list[str] | None, typer.Option("--approval", metavar="NAME", help="In force; repeat.")
]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="TIME", help="2026-01-07T12:00:00+01:00; left out: now."),
]
Only = Annotated[
    str | None, typer.Option("--deployment", "-d", metavar="NAME", help="Show this one alone.")
]


@app.command()
@guarded
def check(config: ConfigDir = None, as_json: Json = False) -> None:
    """Read the policies, and show what is in force and whom each leaves."""
    from federation.cli import policy_work  # noqa: PLC0415 - start-up time

    policy_work.check(config, as_json=as_json)


@app.command(name="test")
@guarded
def run_tests(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE", help="Left out: config/policies/tests/*.yaml."),
    ] = None,
    config: ConfigDir = None,
    as_json: Json = False,
) -> None:
    """Run policy tests; exit code 1 where one fails."""
    from federation.cli import policy_work  # noqa: PLC0415 - start-up time

    policy_work.test(config, files or [], as_json=as_json)


@app.command()
@guarded
def diff(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="A configuration, policies, or one file.")
    ],
    new: Annotated[
        Path | None, typer.Argument(metavar="NEW", help="Left out: the present configuration.")
    ] = None,
    config: ConfigDir = None,
    as_json: Json = False,
) -> None:
    """Compare two sets of policies: rules that come and go, and what that opens or closes."""
    from federation.cli import policy_work  # noqa: PLC0415 - start-up time

    policy_work.diff(config, old, new, as_json=as_json)


@app.command()
@guarded
def explain(
    deployment: Only = None,
    tenant: Tenant = "default",
    team: Team = "",
    key: Key = "",
    route: Route = "",
    operation: Operation = "chat",
    privacy: PrivacyLevel = None,
    data_class: DataClasses = None,
    unclassified: Unclassified = False,
    tag: Tags = None,
    approval: Approvals = None,
    at: At = None,
    config: ConfigDir = None,
    as_json: Json = False,
) -> None:
    """Explain what the policies say of a call: who may serve it, and why not the others."""
    from federation.cli import policy_work  # noqa: PLC0415 - start-up time

    asked = policy_work.Asked(
        tenant,
        team,
        key,
        route,
        operation,
        privacy,
        None if unclassified else tuple(data_class or ()),
        tuple(tag or ()),
        tuple(approval or ()),
        at,
    )
    policy_work.explain(config, asked, deployment, as_json=as_json)


@app.command()
@guarded
def packs(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Left out: all.")] = None,
    as_json: Json = False,
) -> None:
    """List the shipped packs, or show one: each rule, the control it serves, its evidence."""
    from federation.cli import policy_packs  # noqa: PLC0415 - start-up time

    policy_packs.packs(name, as_json=as_json)
