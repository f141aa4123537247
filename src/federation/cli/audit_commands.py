"""`federation audit`: proofs, exports and the verification of what was recorded."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from federation.cli.guard import guarded
from federation.cli.options import At, ConfigDir, DataDir, Json, a_path

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Verify, prove, export and search what was recorded.",
)


class Verdict(str, Enum):
    """How a call ended, or that it has not."""

    OK = "ok"
    ERROR = "error"
    CANCELED = "canceled"
    CUT = "cut"
    RUNNING = "running"
    LOST = "lost"


class Changed(str, Enum):
    """What a record beside the calls is about."""

    ACTION = "action"
    IN_FORCE = "in_force"
    POLICY_VERSION = "policy_version"
    VIOLATION = "violation"
    DATA = "data"
    LOST = "lost"
    KEY_CHANGED = "key_changed"
    LOG_OPENED = "log_opened"
    LOG_CLOSED = "log_closed"
    HEARTBEAT = "heartbeat"
    WITNESSED = "witnessed"


TrustedKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        "-k",
        metavar="KEY",
        help="A public key that you trust: a file, or 64 hex digits; repeat.",
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Since 24h, 30d; or 2026-01-31.")
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="Last day, or as --since; left out: now."),
]
_ACTOR = "The id of a key; or user:TENANT/NAME of who has signed in, while a gateway runs."
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=100_000, metavar="N", help="The most to list.")
]
Anchors = Annotated[
    list[Path] | None,
    typer.Option(
        "--anchor", metavar="FILE", help="Checkpoints that were kept elsewhere, one a line; repeat."
    ),
]


@app.command()
@guarded
def verify(
    export: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=a_path,
            metavar="EXPORT",
            help="Exports, a directory of exports, or a proof; left out: the data directory.",
        ),
    ] = None,
    key: TrustedKeys = None,
    anchor: Anchors = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="One export by itself, whatever it says of others.")
    ] = False,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Hold the exports against the ledger in the store.")
    ] = False,
    through: Annotated[
        str | None,
        typer.Option(
            "--through",
            metavar="TIME",
            help="Exports of replicas that run: when the first was begun; what others saw later is "
            "set aside. As --since of `query`, or Unix milliseconds.",
        ),
    ] = None,
    only_keys: Annotated[
        bool,
        typer.Option("--only-keys", help="Each log needs a key of its own: none vouches for one."),
    ] = False,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Verify exports as one, or a proof, offline; exit code 1 where anything is wrong."""
    from federation.cli import audit_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    wanted = audit_work.Wanted(
        tuple(export or ()),
        tuple(key or ()),
        tuple(anchor or ()),
        alone=alone,
        ledger=ledger,
        through=through,
        only_keys=only_keys,
    )
    audit_work.verify(Place(config=config, data=data), wanted, as_json=as_json)


@app.command()
@guarded
def export(
    to: Annotated[
        Path | None, typer.Argument(metavar="TO", help="A new directory, or a .tar file.")
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="DIR",
            help="Instead: a directory for the exports of all replicas, each under its name.",
        ),
    ] = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write every sealed record, the checkpoints and the public keys."""
    from federation.cli import audit_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    audit_work.export(Place(config=config, data=data), to, into, as_json=as_json)


@app.command()
@guarded
def prove(
    call: Annotated[
        str | None, typer.Argument(metavar="CALL", help="The id of a call to prove.")
    ] = None,
    entry: Annotated[
        int | None,
        typer.Option("--entry", min=0, metavar="N", help="Prove the record at this place instead."),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option("--from", min=0, metavar="N", help="Prove that the log continues this one."),
    ] = None,
    second: Annotated[
        int | None,
        typer.Option("--to", min=0, metavar="N", help="A later checkpoint; left out: the newest."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Left out: printed.")
    ] = None,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Prove that a call or another record is in the log, or that it continues a checkpoint."""
    from federation.cli import audit_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    place = Place(config=config, data=data)
    audit_work.prove(place, call, entry, first, second, output, as_json=as_json)


@app.command()
@guarded
def query(
    since: Since = None,
    until: Until = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="One tenant's only.")
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="ID", help=_ACTOR)] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="As it was asked for.")
    ] = None,
    verdict: Annotated[
        Verdict | None,
        typer.Option("--verdict", metavar="WORD", help="ok, error, canceled, cut, running, lost."),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="USER",
            help="A pseudonym; with --tenant a name, while a gateway runs.",
        ),
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(
            "--client-id",
            metavar="ID",
            help="That the client gave its request; with --user also where that name is in it.",
        ),
    ] = None,
    limit: Limit = 50,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Search the recorded calls, newest first, with the place of each in the log."""
    from federation.cli import audit_query  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    ended = None if verdict is None else verdict.value
    wanted = audit_query.Wanted(since, until, tenant, actor, model, ended, limit, user, client_id)
    audit_query.query(Place(config=config, data=data), wanted, as_json=as_json)


@app.command()
@guarded
def receipt(
    call: Annotated[str, typer.Argument(metavar="CALL", help="The id of a call.")],
    said: Annotated[
        Path | None,
        typer.Option("--input", metavar="FILE", help="The body that the client sent."),
    ] = None,
    got: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="The body that it got.")
    ] = None,
    *,
    at: At,
) -> None:
    """Show what proves the content of a call, or hold files against it; exit code 1 where one is
    not what the call's record says."""
    from federation.cli import audit_receipt  # noqa: PLC0415 - start-up time

    raise typer.Exit(int(audit_receipt.receipt(at.place, call, said, got, as_json=at.as_json)))


@app.command()
@guarded
def changes(
    since: Since = None,
    until: Until = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="ID", help="What one tenant's keys did.")
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="ID", help=_ACTOR)] = None,
    kind: Annotated[
        Changed | None,
        typer.Option("--type", metavar="TYPE", help="Left out: all but heartbeat and witnessed."),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option("--about", metavar="ID", help="The id or name of what was changed."),
    ] = None,
    limit: Limit = 50,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Search what was changed, and by whom: admin actions, configurations, policies and more."""
    from federation.cli import audit_changes  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    word = None if kind is None else kind.value
    wanted = audit_changes.Wanted(since, until, tenant, actor, word, about, limit)
    audit_changes.changes(Place(config=config, data=data), wanted, as_json=as_json)


@app.command()
@guarded
def checkpoint(
    now: Annotated[
        bool, typer.Option("--now", help="Make one over all that has been written by now.")
    ] = False,
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the newest checkpoint and the key that signed it: note both down elsewhere."""
    from federation.cli import audit_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    audit_work.checkpoint(Place(config=config, data=data), now=now, as_json=as_json)


@app.command()
@guarded
def anchor(
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Put a checkpoint over all that has been written into every anchor, and show which took it;
    exit code 1 where one did not."""
    from federation.cli import audit_anchoring  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    audit_anchoring.anchor(Place(config=config, data=data), as_json=as_json)


@app.command(name="rotate-key")
@guarded
def rotate_key(
    config: ConfigDir = None,
    data: DataDir = None,
    as_json: Json = False,
) -> None:
    """Replace the signing key; the present one signs its successor and is destroyed."""
    from federation.cli import audit_work  # noqa: PLC0415 - start-up time
    from federation.cli.place import Place  # noqa: PLC0415 - start-up time

    audit_work.rotate_key(Place(config=config, data=data), as_json=as_json)
