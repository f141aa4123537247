"""What an error of ours is in every language: the headers that clients obey, and its reasons.

The body's form is the dialect's own. Official clients retry a 503 by themselves, some ask
`x-should-retry` first, and some read `retry-after-ms` before `retry-after`.
"""

from __future__ import annotations

import math
from typing import Any, Final

from federation.domain.budgets import told
from federation.domain.money import nano_to_usd
from federation.errors import BudgetExceeded, FederationError, NotEligible, RateLimited

_MOST_REMOVED: Final = 50
_ID_HEADER: Final = b"x-request-id"


def error_headers(
    error: FederationError,
    call_id: str,
    *,
    kind: bytes = b"application/json",
    id_header: bytes = _ID_HEADER,
    milliseconds: bool = True,
) -> list[tuple[bytes, bytes]]:
    """The headers of an error. `id_header` is where the language's clients look for an id, too."""
    headers = [(b"content-type", kind)]
    if call_id:
        if id_header != _ID_HEADER:
            headers.append((id_header, call_id.encode()))
        headers.append((_ID_HEADER, call_id.encode()))
        headers.append((b"x-federation-call-id", call_id.encode()))
        headers.append((b"x-federation-attempts", b"%d" % error.attempts))
    if isinstance(error, BudgetExceeded):
        headers += [
            (f"x-federation-budget-{name}".encode("latin-1"), str(value).encode())
            for name, value in budget(error).items()
            if name != "id"
        ]
    if isinstance(error, RateLimited):
        headers += [
            (f"x-federation-limit{name}".encode("latin-1"), value.encode())
            for name, value in (("", error.limit), ("-resets-at", error.resets_at))
            if value
        ]
    headers += error.headers
    if error.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(error.retry_after_s)))
        if milliseconds:
            wait_ms = math.ceil(error.retry_after_s * 1000.0)
            headers.append((b"retry-after-ms", b"%d" % wait_ms))
    return headers


def should_retry(error: FederationError) -> list[tuple[bytes, bytes]]:
    """What keeps official clients from trying again what rules removed: it stays removed."""
    return [(b"x-should-retry", b"false")] if isinstance(error, NotEligible) else []


def removed(error: FederationError) -> dict[str, str]:
    """The candidates that rules took away, with the reason; at most fifty."""
    if not isinstance(error, NotEligible):
        return {}
    return dict(list(error.removed.items())[:_MOST_REMOVED])


def budget(error: BudgetExceeded) -> dict[str, str]:
    """What a budget has left in USD, and from when on it has its whole again, where it ever has."""
    left = {"id": error.budget, "left-usd": f"{nano_to_usd(error.left_nano):f}"}
    return left if error.resets_ms is None else left | {"resets-at": told(error.resets_ms)}


def reasons(error: FederationError) -> dict[str, Any]:
    """`param`, `removed`, `budget` and `limit`, where the error has them."""
    found: dict[str, Any] = {"param": error.param} if error.param else {}
    if isinstance(error, NotEligible):
        found["removed"] = removed(error)
    if isinstance(error, BudgetExceeded):
        found["budget"] = {name.replace("-", "_"): value for name, value in budget(error).items()}
    if isinstance(error, RateLimited) and error.limit:
        found["limit"] = {"id": error.limit} | (
            {"resets_at": error.resets_at} if error.resets_at else {}
        )
    return found
