"""Where secrets are read from that the configuration only refers to: a variable, a file, a Vault.

The trap: the client of a Vault takes a quarter of a second to import, so it is imported with
the first reference that needs it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from federation.config.credentials import Vault as Reader
from federation.config.settings import Loaded
from federation.storage.secrets_vault import Kv, VaultSecrets


class SecretSources:
    """The Vault of one process, as its configuration names it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.refresh_s = 60.0
        self.vault = VaultSecrets(self._opened, time.monotonic)
        self._environ = environ

    @property
    def read(self) -> Reader:
        """Reads `MOUNT/PATH#FIELD`."""
        return self.vault.read

    def follow(self, loaded: Loaded) -> None:
        """Go by this reading from now on. The Vault itself stays the one that it was.

        Blocks for what was never read of it: those who check tokens cannot wait for a Vault.
        """
        self._environ = loaded.environ
        self.refresh_s = loaded.secrets.refresh_s
        self.vault.lifetime_s = loaded.secrets.lifetime_s
        for issuer in loaded.sign_in.issuers:
            for reference in (issuer.secret or "", issuer.client_secret or ""):
                kind, _, rest = reference.partition(":")
                if kind == "vault":
                    self.vault.read(rest)

    def _opened(self) -> Kv:
        from federation.storage.vault import Vault  # noqa: PLC0415 - see above

        return Vault(self._environ)
