"""The control process, started by the launcher (its docstring has the command line).

Starting makes a few hundred thousand objects and no garbage, and looking for it takes a tenth
of the time: it is not looked for while modules are imported either.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

SWITCH_S = 0.001


def main(argv: Sequence[str]) -> int:
    """Run control until it is told to stop; the exit code, 78 where the configuration is bad."""
    gc.disable()
    # Questions about the ledger are added up in a thread beside the loop, which asks for the
    # interpreter after so long: at the usual 5 ms everything that workers ask of us waits for it.
    sys.setswitchinterval(SWITCH_S)
    from federation.bootstrap.control_life import live  # noqa: PLC0415 - see above

    return live(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
