"""The id by which a client knows its own request, as it stands in the request's head.

It is recorded and told back, and never used as ours: two clients may give the same, or one twice.
What could be anything but an id is no id, for it would stand in records and logs.
"""

from __future__ import annotations

import re
from typing import Final

from federation.schema.http import Headers

TOLD: Final = b"x-client-request-id"
"""Where it is told back; `x-request-id` of an answer is our own."""
_OTHER: Final = b"x-request-id"
_ID: Final = re.compile(rb"[A-Za-z0-9_.:-]{1,128}", re.ASCII)


def client_id(headers: Headers) -> bytes:
    """The id; empty where there is none. Every call is asked, and few have one."""
    given = headers.get(TOLD) or headers.get(_OTHER)
    return given if given and _ID.fullmatch(given) else b""
