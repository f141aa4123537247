"""Entry point `federation`: to the launcher by the shortest way, or to the command tree.

The launcher of `serve` lives as long as the service, and its children wait for it: what is
imported before it has started them is paid for in every start, in memory all the time.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["serve"]:
        from federation.cli import quick  # noqa: PLC0415 - start-up time

        wishes = quick.serve_wishes(arguments[1:])
        if wishes is not None:
            sys.exit(quick.serve(wishes))
    from federation.cli import tree  # noqa: PLC0415 - start-up time

    tree.run(arguments)


if __name__ == "__main__":
    main()
