"""What a pseudonym looks like.

The trap: a person may be asked for by either, and a pseudonym that is taken for a name finds
nobody.
"""

from __future__ import annotations

import re
from typing import Final

_PSEUDONYM: Final = re.compile(r"p_[0-9a-f]{32}\Z")


def is_pseudonym(text: str) -> bool:
    """Whether this is a pseudonym, and nobody's name."""
    return _PSEUDONYM.match(text) is not None
