"""The anchors that an operator named, of whatever kind.

The trap is the cost for those who name none in a bucket: what speaks to one is imported where it
is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from federation.storage.anchors import Anchor, open_anchor


def open_anchors(
    urls: Iterable[str],
    data: Path,
    environ: Mapping[str, str],
    authorities: Callable[[], str] = str,
) -> list[Anchor]:
    """Nothing is opened yet. `authorities` says, as PEM, whom to trust beside the system's. Raises
    `ConfigError` for what is no anchor."""
    return [_opened(url, data, environ, authorities) for url in urls]


def _opened(
    url: str, data: Path, environ: Mapping[str, str], authorities: Callable[[], str]
) -> Anchor:
    if not url.startswith("s3:"):
        return open_anchor(url, data)
    # An HTTP client and TLS, which control has no other use for at its start.
    from federation.control.anchors_s3 import open_s3  # noqa: PLC0415 - see above

    return open_s3(url, environ, authorities)
