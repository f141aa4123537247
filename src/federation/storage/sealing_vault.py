"""Root keys in a Vault: in its transit engine, which never gives them away, or in its KV store.

The trap of the second: the key comes into this process, and Vault keeps only so many versions
of a secret (ten by default). A version that is gone takes with it what is still under it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from hvac.exceptions import InvalidPath

from federation.errors import ConfigError, Problem, Unavailable
from federation.storage.sealing_roots import opened_under, sealed_under
from federation.storage.vault import Vault

_KEY = 32


class TransitRoot:
    """A key of the transit engine, type `aes256-gcm96` (its default); implements
    `control.custody_parts.Root`. It has to be there: it is made by whoever runs the Vault."""

    def __init__(self, vault: Vault, mount: str, key: str) -> None:
        self._vault = vault
        self._place = mount, key

    def version(self) -> str:
        """See `Root`."""
        try:
            return self._named(self._vault.newest(*self._place))
        except InvalidPath:
            raise self._missing() from None

    def wrap(self, key: bytes, bound: bytes) -> tuple[str, bytes]:
        """See `Root`."""
        try:
            sealed = self._vault.encrypt(*self._place, key, bound)
        except InvalidPath:
            raise self._missing() from None
        return self._named(int(sealed.split(":")[1].removeprefix("v"))), sealed.encode()

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """See `Root`."""
        if version.rpartition("@")[0] != self._named(0).rpartition("@")[0]:
            raise Unavailable(f"The root key {version} is of another source than this gateway's.")
        try:
            return self._vault.decrypt(*self._place, wrapped.decode(), bound)
        except InvalidPath:
            raise self._missing() from None

    def rotate(self) -> str:
        """See `Root`."""
        try:
            self._vault.rotate(*self._place)
        except InvalidPath:
            raise self._missing() from None
        return self.version()

    def _named(self, version: int) -> str:
        return f"transit:{'/'.join(self._place)}@{version}"

    def _missing(self) -> Unavailable:
        return Unavailable(f"The Vault has no transit key {'/'.join(self._place)}.")


class KvRoot:
    """A field of a KV secret that holds 64 hex digits; implements `control.custody_parts.Root`. The
    first is made where there is none."""

    def __init__(self, vault: Vault, mount: str, path: str, field: str) -> None:
        self._vault = vault
        self._place = mount, path
        self._field = field
        self._known: dict[int, bytes] = {}

    def version(self) -> str:
        """See `Root`."""
        return self._named(self._newest()[1])

    def wrap(self, key: bytes, bound: bytes) -> tuple[str, bytes]:
        """See `Root`."""
        root, version = self._newest()
        return self._named(version), sealed_under(root, key, bound)

    def unwrap(self, version: str, wrapped: bytes, bound: bytes) -> bytes:
        """See `Root`."""
        name, _, number = version.rpartition("@")
        if name != self._named(0).rpartition("@")[0] or not number.isdecimal():
            raise Unavailable(f"The root key {version} is of another source than this gateway's.")
        wanted = int(number)
        if wanted not in self._known:
            fields, _ = self._vault.secret(*self._place, wanted)
            self._known[wanted] = self._key(fields, version)
        return opened_under(self._known[wanted], wrapped, bound, version)

    def rotate(self) -> str:
        """See `Root`."""
        fields, version = self._vault.secret(*self._place)
        return self._named(self._make(fields, version)[1])

    def _newest(self) -> tuple[bytes, int]:
        fields, version = self._vault.secret(*self._place)
        if self._field not in fields:
            return self._make(fields, version)
        key = self._known[version] = self._key(fields, self._named(version))
        return key, version

    def _make(self, fields: Mapping[str, str], after: int) -> tuple[bytes, int]:
        key = secrets.token_bytes(_KEY)
        # Written against the version that was read: of two gateways at once, one makes it.
        version = self._vault.put(*self._place, {**fields, self._field: key.hex()}, after)
        self._known[version] = key
        return key, version

    def _key(self, fields: Mapping[str, object], version: str) -> bytes:
        try:
            key = bytes.fromhex(str(fields.get(self._field, "")))
        except ValueError:
            key = b""
        if len(key) != _KEY:
            message = f"The root key {version} is missing in the Vault, or is not {_KEY} bytes."
            raise Unavailable(message, code="sealing_key_missing")
        return key

    def _named(self, version: int) -> str:
        return f"vault:{'/'.join(self._place)}#{self._field}@{version}"


def vault_root(kind: str, place: str, environ: Mapping[str, str]) -> TransitRoot | KvRoot:
    """The root that `sealing.root` names: `vault-transit:MOUNT/KEY` or `vault:MOUNT/PATH#FIELD`.
    Raises `ConfigError`."""
    vault = Vault(environ)
    mount, _, rest = place.partition("/")
    path, _, field = rest.partition("#")
    if kind == "vault-transit" and mount and path and not field:
        return TransitRoot(vault, mount, path)
    if kind == "vault" and mount and path and field:
        return KvRoot(vault, mount, path, field)
    raise ConfigError([Problem("sealing.root", None, f"'{kind}:{place}' names no key of a Vault")])
