"""Entry point `federation`: to the launcher by the shortest way, or to the command tree.

The launcher of `serve` lives as long as the service, and its children wait for it: what is
imported before it has started them is paid for in every start, in memory all the time.
"""

from __future__ import annotations

import io
import os
import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and end the process."""
    open_standard_streams()
    try:
        _run(sys.argv[1:])
    except KeyboardInterrupt:  # while modules are loaded: later it is for each command to say
        sys.exit(_INTERRUPTED)


def _run(arguments: list[str]) -> None:
    if arguments[:1] == ["serve"]:
        from federation.cli import quick  # noqa: PLC0415 - start-up time

        wishes = quick.serve_wishes(arguments[1:])
        if wishes is not None:
            sys.exit(quick.serve(wishes))
    from federation.cli import tree  # noqa: PLC0415 - start-up time

    tree.run(arguments)


def open_standard_streams() -> None:
    """Point those of the three standard streams that are closed at nothing.

    Their numbers would else go to what is opened next: a gateway started with them closed, as some
    schedulers start programs, would log into its listening socket and its lock. What standard
    output's encoding does not have is then written as an escape, and ends no command.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A path may have bytes that are no text: shown as standard error does, and as JSON may.
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
