"""`federation login`, `logout` and `whoami`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At


@guarded
def login(
    issuer: Annotated[
        str | None,
        typer.Option("--issuer", metavar="NAME", help="Where; left out, if there is but one."),
    ] = None,
    key: Annotated[
        bool,
        typer.Option("--with-key", help="With an API key, asked for or read from standard input."),
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open one, or print the address.")
    ] = True,
    within: Annotated[
        float, typer.Option("--within", min=1, max=3600, metavar="S", help="Seconds to wait.")
    ] = 300.0,
    *,
    at: At,
) -> None:
    """Sign in at the gateway; commands then act as you."""
    from federation.cli import login_work  # noqa: PLC0415 - start-up time

    if key:
        hidden = sys.stdin.isatty()
        text = typer.prompt("API key", hide_input=True) if hidden else sys.stdin.readline()
        login_work.with_key(at.place, text, as_json=at.as_json)
    else:
        login_work.with_browser(
            at.place, issuer, browser=browser, within_s=within, as_json=at.as_json
        )


@guarded
def logout(
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="End all of your sessions, not this one alone.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Forget it here also where the gateway is away.")
    ] = False,
    *,
    at: At,
) -> None:
    """End your session."""
    from federation.cli import login_work  # noqa: PLC0415 - start-up time

    login_work.out(at.place, everywhere=everywhere, force=force, as_json=at.as_json)


@guarded
def whoami(at: At) -> None:
    """Say who you are to the gateway, and what you may do."""
    from federation.cli import login_work  # noqa: PLC0415 - start-up time

    login_work.who(at.place, as_json=at.as_json)
