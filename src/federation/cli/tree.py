"""The command tree: every command of `federation`, by its name.

These modules (`tree` and `*_commands`) only declare: each command imports what does its work
when it runs, so that `federation --help` starts at once. That is the one reason for imports
inside functions in this room.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from federation import __version__
from federation.cli import (
    audit_commands,
    budget_commands,
    compliance_commands,
    config_commands,
    cost_commands,
    data_commands,
    db_commands,
    key_commands,
    lab_commands,
    ledger_commands,
    limit_commands,
    login_commands,
    node_commands,
    playbook_commands,
    policy_commands,
    price_commands,
    provider_commands,
    restart_commands,
    route_commands,
    status_commands,
    team_commands,
    tenant_commands,
    user_commands,
    violation_commands,
)
from federation.cli.failures import Exit, from_os_error
from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, DataDir, Json, a_path

app = typer.Typer(
    name="federation",
    help="One API for every model provider.",
    no_args_is_help=True,
    rich_markup_mode=None,  # half of the time that a look at --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no gateway answers, 4 refused, "
    "78 the configuration cannot be used.",
)
app.add_typer(route_commands.app, name="route")
app.add_typer(provider_commands.app, name="provider")
app.add_typer(tenant_commands.app, name="tenant")
app.add_typer(team_commands.app, name="team")
app.add_typer(user_commands.app, name="user")
app.add_typer(key_commands.app, name="key")
app.add_typer(node_commands.app, name="node")
app.add_typer(budget_commands.app, name="budget")
app.add_typer(limit_commands.app, name="limit")
app.add_typer(config_commands.app, name="config")
app.add_typer(status_commands.app, name="status")
app.add_typer(audit_commands.app, name="audit")
app.add_typer(data_commands.app, name="data")
app.add_typer(ledger_commands.app, name="ledger")
app.add_typer(cost_commands.app, name="cost")
app.add_typer(price_commands.app, name="price")
app.add_typer(playbook_commands.app, name="playbook")
app.add_typer(policy_commands.app, name="policy")
app.add_typer(violation_commands.app, name="violation")
app.add_typer(compliance_commands.app, name="compliance")
app.add_typer(db_commands.app, name="db")

Host = Annotated[str | None, typer.Option("--host", metavar="HOST", help="Address to listen on.")]
Port = Annotated[
    int | None,
    typer.Option(
        "--port", "-p", min=0, max=65535, metavar="PORT", help="Port; 0 takes a free one."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, max=256, metavar="N", help="Inference workers."),
]
Open = Annotated[bool, typer.Option("--open", help="Ask for no key; only on a loopback address.")]


def _version_wanted(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version_wanted, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """One API for every model provider."""


@app.command()
@guarded
def up(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    config: ConfigDir = None,
    data: DataDir = None,
    open_: Open = False,
    sandbox: Annotated[
        bool | None,
        typer.Option(
            "--sandbox/--no-sandbox",
            help="Simulated providers; left out, only where nothing is configured.",
        ),
    ] = None,
) -> None:
    """Start the gateway with what is found here: keys, local servers, or a sandbox."""
    from federation.cli import quick, starting  # noqa: PLC0415 - start-up time

    wishes = quick.Wishes(host, port, workers, config, data, open=open_)
    raise typer.Exit(starting.up(wishes, sandbox=sandbox))


@app.command()
@guarded
def serve(
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    config: ConfigDir = None,
    data: DataDir = None,
    open_: Open = False,
    reload: Annotated[
        bool,
        typer.Option("--reload", help="Changes nothing: configuration files are always watched."),
    ] = False,
) -> None:
    """Run the gateway with what is configured."""
    from federation.cli import quick  # noqa: PLC0415 - start-up time

    wishes = quick.Wishes(host, port, workers, config, data, open=open_)
    raise typer.Exit(quick.serve(wishes))


@app.command()
@guarded
def init(
    path: Annotated[
        Path, typer.Argument(parser=a_path, metavar="PATH", help="Directory of the project.")
    ] = Path(),
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Overwrite files that are there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write starter files: config/providers.yaml, config/federation.yaml, .env.example."""
    from federation.cli.configuring import init  # noqa: PLC0415 - start-up time

    init(path, force=force, as_json=as_json)


@app.command()
@guarded
def sandbox(
    port_base: Annotated[
        int,
        typer.Option(
            "--port-base", min=0, max=65000, metavar="PORT", help="First port; 0 takes free ones."
        ),
    ] = 0,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", help="Makes its chances repeatable.")
    ] = 0,
    time_scale: Annotated[
        float,
        typer.Option(
            "--time-scale",
            min=0.0,
            max=1e6,
            metavar="FACTOR",
            help="Factor on all waiting; 0 is at once.",
        ),
    ] = 1.0,
    fault_models: Annotated[
        bool, typer.Option("--fault-models", help="List every model once per fault, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run simulated providers until stopped, and print their rows for providers.yaml."""
    from federation.cli.sandboxing import show  # noqa: PLC0415 - start-up time

    raise typer.Exit(
        show(
            port_base=port_base,
            seed=seed,
            time_scale=time_scale,
            fault_models=fault_models,
            as_json=as_json,
        )
    )


@app.command()
def version(as_json: Json = False) -> None:
    """Print the version."""
    typer.echo(f'{{"version": "{__version__}"}}' if as_json else f"federation {__version__}")


app.command()(lab_commands.lab)
app.command()(restart_commands.restart)
app.command()(login_commands.login)
app.command()(login_commands.logout)
app.command()(login_commands.whoami)


def run(arguments: Sequence[str]) -> None:
    """Run the command line and end the process.

    A look at the commands goes round typer, which would import Pydantic for it; a shell that
    asks how a line may go on gives no arguments either, and is typer's to answer.
    """
    completing = "_FEDERATION_COMPLETE" in os.environ
    try:
        if not completing and arguments in ([], ["-h"], ["--help"]):
            command = typer.main.get_command(app)
            context = typer.Context(command, info_name="federation", **command.context_settings)
            typer.echo(command.get_help(context))
            sys.exit(0 if arguments else int(Exit.USAGE))
        app(list(arguments), prog_name="federation")
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(Exit.FAILURE))
    except OSError as error:  # what typer does itself, as with --install-completion
        failure = from_os_error(error)
        if failure is None:
            raise
        from federation.cli.output import fail  # noqa: PLC0415 - start-up time

        fail(failure, as_json=False)
        sys.exit(int(failure.exit_code))
