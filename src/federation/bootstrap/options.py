"""What the launcher tells the control process on its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """The command line that the launcher gives."""

    data: Path
    config: Path
    run: Path
    url: str
    workers: int
    lifeline: int | None
    open: bool
    beat: int | None = None


def options(argv: Sequence[str]) -> Options:
    """Parse the launcher's arguments."""
    parser = argparse.ArgumentParser(prog="federation.bootstrap.control")
    for name in ("--data", "--config", "--run"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lifeline", type=int)
    parser.add_argument("--beat", type=int)
    parser.add_argument("--open", action="store_true")
    return Options(**vars(parser.parse_args(argv)))
