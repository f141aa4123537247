"""Cutting an accepted head into its request line and its fields.

Only for bytes that the strict parser has accepted: nothing here checks the grammar again.
"""

from __future__ import annotations

from federation.errors import InvalidRequest
from federation.schema.http import Headers

_ONCE = frozenset(
    {
        b"api-key",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"transfer-encoding",
        b"x-api-key",
        b"x-goog-api-key",
    }
)


def cut_fields(lines: list[bytes]) -> Headers:
    """Return the header fields of a head; `lines[0]` is the request line.

    Names in lower case; what is repeated is joined. Raises `InvalidRequest` where a field
    came twice on which two readers could then disagree.
    """
    headers: Headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in headers:
            headers[name] = value.strip()
        else:
            add_field(headers, name, value.strip())
    return headers


def add_field(headers: Headers, name: bytes, value: bytes) -> None:
    """Put one more field in; raises `InvalidRequest` as `cut_fields` does."""
    if name not in headers:
        headers[name] = value
    elif name in _ONCE:
        raise InvalidRequest(f"The header '{name.decode('latin-1')}' came twice.")
    else:
        headers[name] += b", " + value
