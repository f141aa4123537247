"""What a client's body is refused for, in the same words in every dialect.

Errors are returned, not raised, so that a reader sees in the caller where it ends. The
refusal of a value of the wrong type is `tokenizer.wrong_type`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from federation.dialects.tokenizer import wrong_type
from federation.errors import InvalidRequest

T = TypeVar("T")

_STRING: Final = msgspec.json.Decoder(str)


def missing(param: str) -> InvalidRequest:
    """The refusal of a body without a member that it needs."""
    return InvalidRequest(f"'{param}' is missing.", code="missing_field", param=param)


def not_one_of(param: str, choices: Iterable[str]) -> InvalidRequest:
    """The refusal of a word that is none of those that are known."""
    return InvalidRequest(
        f"'{param}' must be one of {', '.join(sorted(choices))}.",
        code="invalid_value",
        param=param,
    )


def check_number(items: Sized, param: str, most: int, noun: str = "message") -> None:
    """Raise `InvalidRequest` for an array that is empty or longer than a call may be."""
    if not items:
        raise InvalidRequest(f"'{param}' must hold at least one {noun}.", param=param)
    if len(items) > most:
        raise InvalidRequest(
            f"'{param}' may hold at most {most} {noun}s.", code="too_many", param=param
        )


def read_string(raw: Raw, param: str) -> str:
    """A string. Raises `InvalidRequest` that names the member for anything else."""
    try:
        return _STRING.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, param) from None


def read_role(raw: Raw | None, index: int, roles: Mapping[bytes, str]) -> str:
    """Who speaks in a message. `roles` by their JSON text: nearly every role is found by it,
    and only an odd one is decoded. Raises `InvalidRequest` that names the message."""
    role = roles.get(bytes(raw)) if raw is not None else None
    if role is not None:
        return role
    param = f"messages[{index}].role"
    if raw is None:
        raise missing(param)
    role = read_string(raw, param)
    if role not in roles.values():
        raise not_one_of(param, roles.values())
    return role


def read_as(decoder: msgspec.json.Decoder[T], raw: Raw | bytes, param: str) -> T:
    """A value in the decoder's shape. Raises `InvalidRequest` that names the member."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise wrong_type(error, param) from None
