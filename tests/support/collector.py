"""The collector, for tests that ask what is left of something."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_what_is_new() -> Iterator[None]:
    """Within, the collector runs when it is asked to, and knows nothing that was there before: so
    it need not walk through what hundreds of tests hold by then."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
