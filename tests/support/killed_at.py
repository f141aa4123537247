"""`federation`, killed at the n-th time that it touches a file below a directory.

Run as a program: `killed_at.py N ROOT ARGUMENTS...`. Where it ends by itself, it says last how
often that was: with an N that never comes, all of its seams are counted.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

SEAMS = ("os.rename", "os.remove", "os.mkdir", "os.truncate")


def main(at: int, root: str) -> None:
    count = 0

    def look(event: str, given: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(given[2], int) and given[2] & os.O_ACCMODE
        if (writes or event in SEAMS) and str(given[0]).startswith(root):
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    from federation.cli.tree import app

    sys.addaudithook(look)
    try:
        code = app(standalone_mode=False)
    finally:
        print(f"seams {count}", file=sys.stderr)
    sys.exit(code or 0)


if __name__ == "__main__":
    number, directory = int(sys.argv[1]), sys.argv[2]
    del sys.argv[1:3]
    main(number, directory)
