"""Ids of tool calls as the vendor takes them: letters, digits, _ and - only.

Other providers put a function's name, dots and colons into theirs. An id in the history must
be the same in the call and in its result and nothing more, so it may be changed on the way.

Reference: types.tool_use_block_param of the official SDK 2.11
"""

from __future__ import annotations

from federation.dialects.anthropic.tables import ODD, TOOL_ID


class Ids:
    """The ids of one conversation; different ones stay different."""

    __slots__ = ("_ids", "_used")

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._used: set[str] = set()

    def of(self, name: str) -> str:
        """The id that stands for this one."""
        known = self._ids.get(name)
        if known is not None:
            return known
        fit = name if TOOL_ID.fullmatch(name) else ODD.sub("_", name) or "call"
        wanted, number = fit, 0
        while fit in self._used:
            number += 1
            fit = f"{wanted}_{number}"
        self._used.add(fit)
        self._ids[name] = fit
        return fit
