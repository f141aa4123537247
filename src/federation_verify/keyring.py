"""The row of signing keys: the first signs itself, each later one is signed by the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from federation_verify.problem import Refused
from federation_verify.signed import is_signed, read_signed

CONTEXT = b"federation/key/1\n"


class Keyring:
    """Public keys by name, in order."""

    def __init__(self, lines: Iterable[bytes], trusted: bytes) -> None:
        """Raises `Refused` unless the row holds and the trusted key is in it."""
        self.public: dict[str, bytes] = {}
        self.log = ""
        before: tuple[str, bytes] | None = None
        for place, line in enumerate(lines):
            before = self._add(place, line, before)
        if before is None:
            raise Refused("keys", "There is no key.")
        if trusted not in self.public.values():
            raise Refused("keys", "The trusted key is none of this log's keys.")
        self.order = {name: place for place, name in enumerate(self.public)}

    def _add(self, place: int, line: bytes, before: tuple[str, bytes] | None) -> tuple[str, bytes]:
        try:
            signed = read_signed(line, f"Key {place}")
            public = bytes.fromhex(signed.body["public"])
        except (Refused, KeyError, TypeError, ValueError):
            raise Refused("keys", f"Key {place} cannot be read.") from None
        name = hashlib.sha256(public).hexdigest()[:32]
        self.log = self.log or name
        said = [signed.body.get(each) for each in ("n", "key", "predecessor", "log")]
        if said != [place, name, before[0] if before else "", self.log]:
            raise Refused("keys", f"Key {place} is not what should follow.")
        signer = before[1] if before else public
        if not is_signed(signer, signed.signature, CONTEXT + signed.raw):
            raise Refused("keys", f"Key {place} is not signed by its predecessor.")
        self.public[name] = public
        return name, public
