"""The row of signing keys: the first signs itself, each later one is signed by the one before.

None stands in it twice: it would not be told which of its places signed a checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from federation_verify.problem import Refused
from federation_verify.signed import COUNT, DIGEST, NAME, TOO_MUCH, form, is_signed, read_signed

CONTEXT = b"federation/key/1\n"
FORM = form(
    {
        "log": NAME,
        "n": COUNT,
        "key": NAME,
        "public": DIGEST,
        "predecessor": '(?:""|' + NAME + ")",
        "from_ms": COUNT,
    }
)


class Keyring:
    """Public keys by name, in order."""

    def __init__(self, lines: Iterable[bytes], trusted: bytes | None) -> None:
        """Raises `Refused` unless the row holds and the trusted key, if one is named, is in it."""
        self.public: dict[str, bytes] = {}
        self.log = ""
        before: tuple[str, bytes] | None = None
        for place, line in enumerate(lines):
            before = self._add(place, line, before)
        if before is None:
            raise Refused("keys", "There is no key.")
        if trusted is not None and trusted not in self.public.values():
            raise Refused("keys", "The trusted key is none of this log's keys.")
        self.order = {name: place for place, name in enumerate(self.public)}
        self.least = 0 if trusted is None else list(self.public.values()).index(trusted)

    def vouches(self, name: str) -> bool:
        """Whether the key of this name is the trusted one, or comes after it.

        What was signed before the trusted key came, it vouches for with its own signature only:
        a row can name any key that somebody else holds.
        """
        return self.order[name] >= self.least

    def _add(self, place: int, line: bytes, before: tuple[str, bytes] | None) -> tuple[str, bytes]:
        try:
            signed = read_signed(line, FORM, f"Key {place}")
        except Refused:
            raise Refused("keys", f"Key {place} cannot be read.") from None
        if signed.body["from_ms"] >= TOO_MUCH:
            raise Refused("keys", f"Key {place} cannot be read: it has too large a number.")
        public = bytes.fromhex(signed.body["public"])
        name = hashlib.sha256(public).hexdigest()[:32]
        self.log = self.log or name
        said = [signed.body.get(each) for each in ("n", "key", "predecessor", "log")]
        if said != [place, name, before[0] if before else "", self.log]:
            raise Refused("keys", f"Key {place} is not what should follow.")
        if name in self.public:
            raise Refused("keys", f"Key {place} stands in the row before.")
        signer = before[1] if before else public
        if not is_signed(signer, signed.signature, CONTEXT + signed.raw):
            raise Refused("keys", f"Key {place} is not signed by its predecessor.")
        self.public[name] = public
        return name, public
