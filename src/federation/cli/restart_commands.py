"""`federation restart`: new worker processes for a running gateway, without a failed call."""

from __future__ import annotations

from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import ConfigDir, DataDir, Json


@guarded
def restart(
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until every worker is replaced.")
    ] = True,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Replace the workers of the gateway on this machine one by one; no call fails."""
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time
    from federation.cli.restarting import restart  # noqa: PLC0415 - start-up time

    restart(Place(config=config, data=data), wait=wait, as_json=as_json)
