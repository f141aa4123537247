"""When to come back, however a provider says it."""

from __future__ import annotations

import pytest

from federation.dialects.retry_after import read_retry_after

DATE = b"Fri, 20 Nov 2026 10:00:00 GMT"
LATER = b"Fri, 20 Nov 2026 10:00:07 GMT"


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({}, "", None),
        ({b"retry-after": b"3"}, "", 3.0),
        ({b"retry-after": b"0.25"}, "", 0.25),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, "", 1.5),
        ({b"retry-after": LATER, b"date": DATE}, "", 7.0),
        ({b"retry-after": DATE, b"date": LATER}, "", 0.0),
        ({b"retry-after": LATER}, "", None),
        ({b"retry-after": b"soon"}, "", None),
        ({b"retry-after": b"nan"}, "", None),
        ({b"retry-after": b"-4"}, "", 0.0),
        ({b"retry-after": b"99999999"}, "", 86_400.0),
        ({b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"6m0s"}, "", 360.0),
        ({b"x-ratelimit-remaining-tokens": b"0", b"x-ratelimit-reset-tokens": b"120ms"}, "", 0.12),
        ({b"x-ratelimit-remaining-tokens": b"9", b"x-ratelimit-reset-tokens": b"120ms"}, "", None),
        (
            {
                b"x-ratelimit-remaining-requests": b"0",
                b"x-ratelimit-reset-requests": b"1s",
                b"x-ratelimit-remaining-tokens": b"0",
                b"x-ratelimit-reset-tokens": b"1m2.5s",
            },
            "",
            62.5,
        ),
        ({b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"12"}, "", 12.0),
        ({b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"1s!"}, "", None),
        (
            {b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"1795168807000", b"date": DATE},
            "",
            7.0,
        ),
        (
            {b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"1795168807", b"date": DATE},
            "",
            7.0,
        ),
        ({b"x-ratelimit-remaining": b"0", b"x-ratelimit-reset": b"1795168807"}, "", None),
        ({}, "Slow down. Please try again in 1.5s.", 1.5),
        ({}, "Please retry your request in 2m30s", 150.0),
        ({}, "Please try again later.", None),
        ({b"date": b"Fri, 20 Nov 2026 10:00:00"}, "", None),
        ({b"retry-after": LATER, b"date": b"Fri, 20 Nov 2026 10:00:00 -0000"}, "", None),
    ],
)  # fmt: skip
def test_the_wait_is_read(headers: dict[bytes, bytes], message: str, seconds: float | None) -> None:
    assert read_retry_after(headers, message) == seconds
