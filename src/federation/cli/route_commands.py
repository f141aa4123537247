"""`federation route`: send a prompt, or see how one would be routed.

The trap: its first argument is a text, unless it is the name of a subcommand. Where it is
neither that nor a request for help, `run` is meant; a text that happens to be such a word is
written `federation route run task`.
"""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from federation.cli.guard import guarded
from federation.cli.options import At, Json, in_lower_case


class TextGroup(TyperGroup):
    """A group that reads what is no subcommand as the arguments of `run`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put `run` in front where no subcommand is named."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=TextGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    help='Send a prompt through the router: `federation route "text" [options]`.',
    epilog='`federation route "text"` is short for `federation route run "text"`; '
    "its options are listed by `federation route run --help`.",
)

Text = Annotated[str, typer.Argument(metavar="TEXT", help="The prompt; - reads it from a pipe.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", metavar="NAME", help="A route, provider/model, or model; left out: auto."
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        "-s",
        metavar="NAME",
        callback=in_lower_case,
        help="quality_first, cost_optimized, speed, ...",
    ),
]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", min=0.0, max=1e9, metavar="USD", help="For this call.")
]
MaxLatency = Annotated[
    float | None,
    typer.Option("--max-latency", min=0.0, max=1e9, metavar="MS", help="Predicted, whole."),
]
Residency = Annotated[
    list[str] | None,
    typer.Option(
        "--data-residency",
        metavar="REGION",
        help="Where data may be processed: eu, us, de, ...; repeat, or put commas between.",
    ),
]
PrivacyLevel = Annotated[
    str | None,
    typer.Option(
        "--privacy",
        metavar="LEVEL",
        callback=in_lower_case,
        help="public, internal, confidential or restricted.",
    ),
]
DataClasses = Annotated[
    list[str] | None,
    typer.Option(
        "--data-class",
        metavar="NAME",
        help="Data that it holds, as pii or phi; repeat. none: nothing of any class.",
    ),
]
Functions = Annotated[
    str | None,
    typer.Option(
        "--functions",
        metavar="FILE",
        help="A JSON file of functions that the model may call, or the JSON itself.",
    ),
]
System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="System prompt.")]


DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Decide only: no token is spent.")]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", min=1, metavar="N", help="Of the answer.")
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=1.0, max=3600.0, metavar="S", help="To wait for the answer."),
]


@app.command()
@guarded
def run(
    text: Text,
    dry_run: DryRun = False,
    model: Model = None,
    strategy: Strategy = None,
    max_cost: MaxCost = None,
    max_latency: MaxLatency = None,
    data_residency: Residency = None,
    privacy: PrivacyLevel = None,
    data_class: DataClasses = None,
    functions: Functions = None,
    system: System = None,
    max_tokens: MaxTokens = None,
    timeout: Timeout = 600.0,
    *,
    at: At,
) -> None:
    """Send a prompt and print the answer; with --dry-run, print the decision."""
    from federation.cli import routing_work  # noqa: PLC0415 - start-up time

    asked = routing_work.asked(
        text,
        model=model,
        strategy=strategy,
        max_cost=max_cost,
        max_latency_ms=max_latency,
        data_residency=data_residency or [],
        privacy=privacy,
        data_classes=data_class or [],
        functions=functions,
        system=system,
        max_tokens=max_tokens,
    )
    if dry_run:
        routing_work.explain(at.place, asked, as_json=at.as_json, brief=True)
    else:
        routing_work.run(at.place, asked, timeout_s=timeout, as_json=at.as_json)


@app.command()
@guarded
def explain(
    text: Text,
    model: Model = None,
    strategy: Strategy = None,
    max_cost: MaxCost = None,
    max_latency: MaxLatency = None,
    data_residency: Residency = None,
    privacy: PrivacyLevel = None,
    data_class: DataClasses = None,
    functions: Functions = None,
    system: System = None,
    *,
    at: At,
) -> None:
    """Explain how a prompt would be routed: candidates, scores, rules. No token is spent."""
    from federation.cli import routing_work  # noqa: PLC0415 - start-up time

    asked = routing_work.asked(
        text,
        model=model,
        strategy=strategy,
        max_cost=max_cost,
        max_latency_ms=max_latency,
        data_residency=data_residency or [],
        privacy=privacy,
        data_classes=data_class or [],
        functions=functions,
        system=system,
        max_tokens=None,
    )
    routing_work.explain(at.place, asked, as_json=at.as_json, brief=False)


@app.command()
@guarded
def task(text: Text, as_json: Json = False) -> None:
    """Classify a prompt: what it is for and how hard it is. Needs no gateway."""
    from federation.cli import routing_work  # noqa: PLC0415 - start-up time

    routing_work.task(text, as_json=as_json)
