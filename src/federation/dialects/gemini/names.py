"""Two spellings of every member, brought to one.

The vendor's JSON takes `generationConfig` and `generation_config` alike, and so must
whatever reads a body for rules: a field that is governed in one spelling is governed in the
other. Both at once would leave it to the provider which one counts, so that is refused.
Keys of schemas' properties, arguments and results are the caller's own and stay as they are.

Reference: https://protobuf.dev/programming-guides/json
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from federation.dialects.tokenizer import Members
from federation.errors import InvalidRequest

NULL: Final = Raw(b"null")


def camel(name: str) -> str:
    """The one spelling of a member's name."""
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join([word[:1].upper() + word[1:] for word in rest])


def tidy(found: Members, where: str) -> Members:
    """The members under their one spelling, without those that are null (the same as absent).

    Raises `InvalidRequest` for a member in both spellings.
    """
    for name, value in found.items():
        if "_" in name or value == NULL:
            return _tidied(found, where)
    return found


def _tidied(found: Members, where: str) -> Members:
    clean: Members = {}
    for name, value in found.items():
        one = camel(name)
        if one in clean or (one != name and one in found):
            param = f"{where}.{one}" if where else one
            raise InvalidRequest(
                f"'{param}' is given in two spellings; send one of them.",
                code="duplicate_field",
                param=param,
            )
        if value != NULL:
            clean[one] = value
    return clean
