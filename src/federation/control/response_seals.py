"""How stored responses are sealed: under their person's key, like all contents that are kept.

The trap: those from before there were such keys are sealed with one key of the whole gateway.
They still open; they go when their days are over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from federation.control.custody import Custody
from federation.control.custody_parts import KeyGone
from federation.evidence.sealing import Row, Unsealable
from federation.schema.storing import Save
from federation.storage.sealing import FORMAT as OLD
from federation.storage.sealing import Sealer
from federation.storage.sealing import Unsealable as OldUnsealable
from federation.storage.sealing_entries import HoldEntry
from federation.storage.sealing_keys import SqlSealingKeys

TABLE: Final = "responses"


class ResponseSeals:
    """Seals and opens stored responses. `begun` says whether there may be keys or holds.
    Methods raise `Unavailable` where keys cannot be reached."""

    def __init__(
        self, custody: Custody, keys: SqlSealingKeys, begun: Callable[[], bool], old: Sealer
    ) -> None:
        self._custody = custody
        self._keys = keys
        self._begun = begun
        self._old = old

    def seal(self, save: Save, now_ms: int, until_ms: int) -> tuple[str, bytes]:
        """Whose it is, as a pseudonym, and the sealed payload."""
        row = Row(save.tenant, TABLE, save.id)
        return self._custody.seal_of(row, save.subject, now_ms, until_ms, save.payload)

    def open(self, tenant: str, response: str, sealed: bytes) -> bytes:
        """The payload. Raises `Unsealable` where nobody can open it here (any more)."""
        try:
            if sealed.startswith(OLD):
                return self._old.open(tenant, response, sealed)
            return self._custody.content(Row(tenant, TABLE, response), sealed)
        except (KeyGone, OldUnsealable) as error:
            raise Unsealable(response) from error

    def holds(self) -> Sequence[HoldEntry]:
        """The legal holds in force."""
        if not self._begun():
            return ()
        return [hold for hold in self._keys.holds() if hold.released_ms is None]
