"""What a pseudonym looks like, and how one stands in for a user in a text.

The traps: a person may be asked for by either, and a pseudonym that is taken for a name finds
nobody; a name within a word is another word.
"""

from __future__ import annotations

import re
from typing import Final

_PSEUDONYM: Final = re.compile(r"p_[0-9a-f]{32}\Z")


def is_pseudonym(text: str) -> bool:
    """Whether this is a pseudonym, and nobody's name."""
    return _PSEUDONYM.match(text) is not None


def covered(text: str, user: str, subject: str) -> str:
    """The text with a pseudonym in the place of a user, however it is written: as a word of it."""
    pattern = rf"(?<!\w){re.escape(user)}(?!\w)"
    return re.sub(pattern, subject, text, flags=re.IGNORECASE)
