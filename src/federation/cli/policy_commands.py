"""`federation policy`: check, test, compare, explain and approve rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ApiKey, At, ConfigDir, DataDir, Json, Url, in_lower_case
from federation.cli.place import Place

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Check, test, compare, explain and approve policies.",
)

Tenant = Annotated[str, typer.Option("--tenant", metavar="ID", help="Whose call it is.")]
Team = Annotated[str, typer.Option("--team", metavar="NAME", help="The team of whoever calls.")]
Key = Annotated[str, typer.Option("--key", metavar="ID", help="The id of a virtual key.")]
Route = Annotated[
    str, typer.Option("--route", "-m", metavar="NAME", help="What the call names; left out: auto.")
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
Moment = Annotated[
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

    raise typer.Exit(int(policy_work.test(config, files or [], as_json=as_json)))


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
    at: Moment = None,
    call: Annotated[
        str | None,
        typer.Option(
            "--call",
            metavar="ID",
            help="Explain this call from its record instead; a gateway is asked.",
        ),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Explain who may serve a call that names a route or model, and why not the others."""
    from federation.cli import policy_explaining  # noqa: PLC0415 - start-up time

    place = Place(url, api_key, config, data)
    if call is not None:
        policy_explaining.explain_call(place, call, as_json=as_json)
        return
    asked = policy_explaining.Asked(
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
    policy_explaining.explain(place, asked, deployment, as_json=as_json)


@app.command()
@guarded
def packs(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", callback=in_lower_case, help="Left out: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the shipped packs, or show one: each rule, the control it serves, its evidence."""
    from federation.cli import policy_packs  # noqa: PLC0415 - start-up time

    policy_packs.packs(name, as_json=as_json)


Proposal = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")]
Words = Annotated[str, typer.Option("--words", metavar="TEXT", help="A word to the decision.")]
Policy = Annotated[str, typer.Argument(metavar="NAME", help="The policy's name.")]


@app.command()
@guarded
def propose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One policy, in YAML.")],
    reason: Reason = "",
    *,
    at: At,
) -> None:
    """Propose a policy; once another person has approved it, it is in force."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.propose(at.place, file, reason, as_json=at.as_json)


@app.command()
@guarded
def enforce(name: Policy, reason: Reason = "", *, at: At) -> None:
    """Propose that a policy in report mode decides from now on."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.change(at.place, name, "enforce", reason, as_json=at.as_json)


@app.command()
@guarded
def retire(name: Policy, reason: Reason = "", *, at: At) -> None:
    """Propose that what was approved about a policy holds no more; files are untouched."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.change(at.place, name, "retire", reason, as_json=at.as_json)


@app.command()
@guarded
def request(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As the policy's rule names it.")],
    tenant: Annotated[str, typer.Option("--tenant", metavar="ID", help="Left out: all.")] = "",
    key: Annotated[str, typer.Option("--key", metavar="ID", help="Left out: all.")] = "",
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it holds.")] = 7,
    reason: Reason = "",
    *,
    at: At,
) -> None:
    """Ask for an approval that a policy demands (`approval: NAME`)."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    wanted = {"name": name, "tenant": tenant, "key": key, "days": days, "reason": reason}
    policy_approving.ask(at.place, wanted, as_json=at.as_json)


@app.command()
@guarded
def approve(proposal: Proposal, words: Words = "", *, at: At) -> None:
    """Approve what another person has proposed, a policy or an approval."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.decide(at.place, proposal, "approve", words, as_json=at.as_json)


@app.command()
@guarded
def reject(proposal: Proposal, words: Words = "", *, at: At) -> None:
    """Reject what was proposed."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.decide(at.place, proposal, "reject", words, as_json=at.as_json)


@app.command()
@guarded
def withdraw(proposal: Proposal, words: Words = "", *, at: At) -> None:
    """Take back what you proposed, or end an approval before its time."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.decide(at.place, proposal, "withdraw", words, as_json=at.as_json)


@app.command()
@guarded
def history(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Left out: all.")] = None,
    *,
    at: At,
) -> None:
    """List every version that was proposed, and who decided about it."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.history(at.place, name, as_json=at.as_json)


@app.command()
@guarded
def show(proposal: Proposal, *, at: At) -> None:
    """Show one version, and what it would change."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.show(at.place, proposal, as_json=at.as_json)


@app.command()
@guarded
def approvals(*, at: At) -> None:
    """List approvals that were asked for."""
    from federation.cli import policy_approving  # noqa: PLC0415 - start-up time

    policy_approving.approvals(at.place, as_json=at.as_json)
