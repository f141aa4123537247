"""The words of a call or an answer of the simplest form: texts, and nothing else that tells.

Most calls are of this form. What is in them can be told without building their canonical form; a
dialect that is not sure says so, and the call is read in full.
"""

from __future__ import annotations

import msgspec


class Words(msgspec.Struct, frozen=True):
    """Texts in the order in which they are read."""

    texts: list[str]
    places: list[int]
    """Of each text, the number of its message or of its choice."""
    speakers: list[str]
    """Of each text, the role of who said it; empty in an answer."""
    beside: list[str] = []
    """Words that do not belong to the conversation, such as a user's name."""

    def surfaces(self, place: str) -> list[str]:
        """What each text is called where something is found in it, which is in `place`."""
        return [f"{place}[{number}].parts[0].text" for number in self.places]
