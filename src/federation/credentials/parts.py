"""A credential that is made up of several parts, and how one of them is found.

One text stands for the whole: a JSON object, either of the variables that the configuration
gathered or a vendor's own key file. The same part has a name of its own in each of them, so
it is looked for by the end of its name, whatever the case and the separators: `client_id`
finds AICORE_CLIENT_ID, `clientid` and `clientId`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from federation.credentials.plans import unusable
from federation.errors import ConfigError

_SHORTEST: Final = 8
_NOT_SECRET: Final = ("url", "uri", "host", "scope", "region", "type", "method", "universe_domain")


class Parts:
    """The members of a credential; its `repr` shows none."""

    __slots__ = ("named",)

    def __init__(self, named: Mapping[str, object]) -> None:
        self.named = named

    def find(self, *words: str) -> str:
        """The text of the first of these parts that is there, in snake case; else empty.

        Members that are not text are passed over.
        """
        for word in words:
            plain, tail = word.replace("_", ""), f"_{word}"
            ending = ""
            for name, value in self.named.items():
                if not isinstance(value, str) or not value:
                    continue
                low = name.lower()
                if low.replace("_", "").replace("-", "") == plain:
                    return value
                if not ending and low.endswith(tail):
                    ending = value
            if ending:
                return ending
        return ""

    def need(self, what: str, *words: str) -> str:
        """As `find`; raises `ConfigError` that names the part where there is none."""
        value = self.find(*words)
        if not value:
            raise unusable(f"the credential lacks its {what} (a part named {words[0]})")
        return value


def read_parts(secret: str) -> Parts | None:
    """The parts of a credential, or None where it is one text.

    Raises `ConfigError` for a text that begins like a JSON object and is none.
    """
    if not secret.lstrip().startswith("{"):
        return None
    try:
        return Parts(msgspec.json.decode(secret, type=dict[str, Any]))
    except (msgspec.DecodeError, RecursionError):
        raise unusable("the credential begins like a JSON object and cannot be read as one") from (
            None
        )


def secret_texts(secret: str) -> tuple[str, ...]:
    """Every text in a credential that must never reach a client: what error bodies are
    searched for. Addresses, scopes and texts too short to be a secret are left out."""
    found: dict[str, None] = {secret: None} if len(secret) >= _SHORTEST else {}
    try:
        parts = read_parts(secret)
    except ConfigError:
        return tuple(found)
    if parts is not None:
        _gather(parts.named, found)
    return tuple(found)


def _gather(value: object, found: dict[str, None]) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            if not str(name).lower().endswith(_NOT_SECRET):
                _gather(member, found)
    elif isinstance(value, list):
        for member in value:
            _gather(member, found)
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        found[value] = None
