"""The compiled catalogue, read into the domain.

Workers and control load one JSON file that `catalogue.build` made; the YAML it was made
from is never read at run time. Every call reads the file anew: keep the result.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from federation.domain.catalogue import Provider

COMPILED = Path(__file__).with_name("catalogue.json")

_DECODER = msgspec.json.Decoder(list[Provider])


def load() -> dict[str, Provider]:
    """Return every provider of the catalogue by id, with its models, sorted by id."""
    return {provider.id: provider for provider in _DECODER.decode(COMPILED.read_bytes())}
