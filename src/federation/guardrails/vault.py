"""The values of one call behind tokens, and the way back.

A token is the type's name and a code from a keyed digest of the value, so that the same value
has the same token throughout a call, and nobody without the secret can tell or forge one. The
traps: only tokens that this call gave out are turned back, whatever else looks like one; inside
JSON text a value comes back escaped, or a quote in it would end the string; and a model writes a
token in small letters (in a name, in an address), or in Markdown, with a backslash before each
underscore. Codes have no case, so whoever writes one in small letters has seen it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from string import ascii_lowercase, ascii_uppercase
from typing import Final

from federation.guardrails.entities import label

_CODE_SIZE: Final = 10
"""Characters of five bits each."""
_ATTEMPTS: Final = 1000
_CODE: Final = re.compile(rf"(?=_([A-Za-z2-7]{{{_CODE_SIZE}}}))")
_CAPITALS: Final = str.maketrans(ascii_lowercase, ascii_uppercase)
"""`str.upper` would make capitals of letters that no token has, and texts longer."""


def code(secret: bytes, *parts: str) -> str:
    """A keyed digest of `parts` that fits a word: capitals and digits."""
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    digest = hmac.new(secret, joined, hashlib.sha256).digest()
    return base64.b32encode(digest).decode("ascii")[:_CODE_SIZE]


class Vault:
    """One call's values by token. Holds them in memory only; never shown."""

    __slots__ = ("_codes", "_firsts", "_longest", "_prefixes", "_secret", "_tokens", "given_out")

    def __init__(self, secret: bytes) -> None:
        """`secret`: of the tenant or of the call; equal secrets give equal tokens."""
        self._secret = secret
        self._tokens: dict[tuple[str, str], str] = {}
        self._codes: dict[str, tuple[str, str]] = {}
        self._prefixes: set[str] = set()
        self._firsts: set[str] = set()
        """Those of them that are one letter."""
        self._longest = 0
        self.given_out = False
        """Whether there is a token."""

    def __repr__(self) -> str:
        return f"Vault({len(self)} values)"

    def __len__(self) -> int:
        return len(self._codes)

    def token(self, kind: str, value: str) -> str:
        """The token that stands for `value`; the same one for the same value."""
        known = self._tokens.get((kind, value))
        if known is not None:
            return known
        for attempt in range(_ATTEMPTS):
            word = code(self._secret, kind, value, str(attempt))
            if word not in self._codes:
                made = f"{label(kind)}_{word}"
                self._tokens[kind, value] = made
                self._codes[word] = (made, value)
                self.given_out = True
                for written in _ways(made):
                    self._prefixes.update(written[:size] for size in range(1, len(written)))
                    self._longest = max(self._longest, len(written))
                self._firsts.add(made[0])
                return made
        raise AssertionError("a digest of 50 bits collided a thousand times")

    def restore(self, text: str, *, escaped: bool = False) -> str:
        """`text` with this call's tokens turned back; `escaped`: it is JSON as written."""
        pieces: list[str] = []
        done = 0
        for start, end, value in self._places(text):
            pieces += (text[done:start], json.dumps(value)[1:-1] if escaped else value)
            done = end
        return "".join((*pieces, text[done:])) if pieces else text

    def held(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a token."""
        places = self._places(text)
        after = len(text) - (places[-1][1] if places else 0)
        most = min(self._longest - 1, after)
        end = text[-most:].translate(_CAPITALS) if most > 0 else ""
        for at, sign in enumerate(end):
            if sign in self._firsts and end[at:] in self._prefixes:
                return len(end) - at
        return 0

    def _places(self, text: str) -> list[tuple[int, int, str]]:
        places: list[tuple[int, int, str]] = []
        done = 0
        for match in _CODE.finditer(text) if self._codes and "_" in text else ():
            known = self._codes.get(match[1].upper())
            if known is None:
                continue
            token, value = known
            end = match.start() + 1 + _CODE_SIZE
            for written in _ways(token):
                start = end - len(written)
                if start >= done and text[start:end].translate(_CAPITALS) == written:
                    places.append((start, end, value))
                    done = end
        return places


def _ways(token: str) -> tuple[str, str, str]:
    """A token as it was given out, as Markdown writes it, and as JSON writes Markdown."""
    return token, token.replace("_", "\\_"), token.replace("_", "\\\\_")


class Restoring:
    """A stream's tokens turned back, however they are cut. One for each part of each choice."""

    __slots__ = ("_escaped", "_held", "vault")

    def __init__(self, vault: Vault, *, escaped: bool = False) -> None:
        self.vault = vault
        self._escaped = escaped
        self._held = ""

    def feed(self, text: str) -> str:
        """What can be said of the text so far."""
        if not self.vault.given_out:
            return text
        text = self._held + text
        kept = len(text) - self.vault.held(text)
        self._held = text[kept:]
        return self.vault.restore(text[:kept], escaped=self._escaped)

    def close(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held
