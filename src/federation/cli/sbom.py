"""The bill of materials: what the gateway is shipped with, as CycloneDX 1.6. Pure.

Made from the pinned requirements, so it says what is installed and not what happens to lie in
somebody's environment. The trap: a time or a serial number in it would make every writing of it
another file, and its freshness could not be checked; the format asks for neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

NAME: Final = "federation-gateway"
_PINNED: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;\s*(.+))?\Z")
_WISHED: Final = re.compile(r"[A-Za-z0-9._-]+")
_SEPARATORS: Final = re.compile(r"[-_.]+")


def document(version: str, pinned: str, wished: str) -> str:
    """The bill as JSON text. `pinned` is a requirements file in which each line has one version,
    hashes aside, and `wished` the file that it was made from. Raises `ValueError` for a line that
    pins nothing."""
    whole = _reference(NAME, version)
    parts = list(_components(pinned))
    direct = {_plain(name) for name in _names(wished)}
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": whole,
                "name": NAME,
                "version": version,
                "licenses": [{"license": {"id": "MIT"}}],
                "purl": whole,
            }
        },
        "components": parts,
        "dependencies": [
            {
                "ref": whole,
                "dependsOn": [each["bom-ref"] for each in parts if each["name"] in direct],
            }
        ],
    }
    return json.dumps(bill, indent=2) + "\n"


def _components(pinned: str) -> Iterator[dict[str, Any]]:
    for line in _lines(pinned):
        found = _PINNED.match(line)
        if found is None:
            raise ValueError(f"'{line}' pins no version")
        name, version, marker = _plain(found[1]), found[2], found[3]
        reference = _reference(name, version)
        part = {"type": "library", "bom-ref": reference, "name": name, "version": version}
        if marker:
            # Left out where the marker does not hold: on another system, or another Python.
            part |= {"scope": "optional"}
        yield part | {"purl": reference}


def _names(wished: str) -> Iterator[str]:
    for line in _lines(wished):
        found = _WISHED.match(line)
        if found is not None:
            yield found[0]


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        plain = line.split("#", 1)[0].rstrip(" \\").strip()
        if plain and not plain.startswith("-"):
            yield plain


def _plain(name: str) -> str:
    """A name as the index of packages has it."""
    return _SEPARATORS.sub("-", name).lower()


def _reference(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"
