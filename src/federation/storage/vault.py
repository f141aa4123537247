"""A Vault (or OpenBao) by way of `hvac`: secrets of KV version 2, and the transit engine.

Wire: https://developer.hashicorp.com/vault/api-docs. Imported only where a Vault is configured.
The trap: a client of its own looks into the environment of the process, the home directory and
the system's proxies. All that counts is what was configured, so everything is given.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, Unauthorized, VaultError

from federation.errors import ConfigError, Problem, Unavailable

TIMEOUT_S: Final = 5.0
T = TypeVar("T")


class Vault:
    """One Vault and how to sign in there. Not for several threads at once.

    Variables: VAULT_ADDR; VAULT_TOKEN, or VAULT_TOKEN_FILE (read again when it is refused, as
    an agent writes it anew), or VAULT_ROLE_ID and VAULT_SECRET_ID; VAULT_NAMESPACE, VAULT_CACERT.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Nothing is connected yet. Raises `ConfigError` where a variable is missing."""
        self._given = {name: value.strip() for name, value in environ.items() if value.strip()}
        address = self._given.get("VAULT_ADDR", "")
        if not address.startswith(("http://", "https://")):
            message = "is not set to an address such as https://vault.example.org:8200"
            raise ConfigError([Problem("VAULT_ADDR", None, message)])
        if not self._token() and not self._role():
            message = "set VAULT_TOKEN, VAULT_TOKEN_FILE, or VAULT_ROLE_ID and VAULT_SECRET_ID"
            raise ConfigError([Problem("VAULT_TOKEN", None, message)])
        session = requests.Session()
        session.trust_env = False
        self._client = hvac.Client(
            url=address,
            token="",
            verify=self._given.get("VAULT_CACERT", True),
            timeout=TIMEOUT_S,
            allow_redirects=False,
            session=session,
            namespace=self._given.get("VAULT_NAMESPACE"),
        )

    def secret(
        self, mount: str, path: str, version: int | None = None
    ) -> tuple[dict[str, Any], int]:
        """The fields of a KV secret, and its version; no fields where there is none. Raises
        `Unavailable` where the Vault cannot be asked, or refuses."""
        try:
            found = self._ask(
                lambda: self._client.secrets.kv.v2.read_secret_version(
                    path, version, mount, raise_on_deleted_version=True
                )
            )
        except InvalidPath:
            return {}, 0
        data = found["data"]
        return dict(data["data"] or {}), int(data["metadata"]["version"])

    def put(self, mount: str, path: str, fields: Mapping[str, str], after: int) -> int:
        """Write the version after this one; the new version. Raises `Unavailable`, also where
        somebody else was faster."""
        made = self._ask(
            lambda: self._client.secrets.kv.v2.create_or_update_secret(
                path, dict(fields), after, mount
            )
        )
        return int(made["data"]["version"])

    def encrypt(self, mount: str, key: str, plain: bytes, bound: bytes) -> str:
        """What only this transit key opens again. Raises `Unavailable`."""
        made = self._ask(
            lambda: self._client.secrets.transit.encrypt_data(
                key, _text(plain), mount_point=mount, associated_data=_text(bound)
            )
        )
        return str(made["data"]["ciphertext"])

    def decrypt(self, mount: str, key: str, sealed: str, bound: bytes) -> bytes:
        """What was encrypted. Raises `Unavailable`."""
        made = self._ask(
            lambda: self._client.secrets.transit.decrypt_data(
                key, sealed, mount_point=mount, associated_data=_text(bound)
            )
        )
        return base64.b64decode(made["data"]["plaintext"], validate=True)

    def newest(self, mount: str, key: str) -> int:
        """The newest version of a transit key. Raises `Unavailable`."""
        found = self._ask(lambda: self._client.secrets.transit.read_key(key, mount))
        return int(found["data"]["latest_version"])

    def rotate(self, mount: str, key: str) -> None:
        """Make the next version of a transit key. Raises `Unavailable`."""
        self._ask(lambda: self._client.secrets.transit.rotate_key(key, mount))

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask, signing in where that is needed. `InvalidPath` is the caller's to judge."""
        try:
            if not self._client.token:
                self._sign_in()
            try:
                return question()
            except (Forbidden, Unauthorized):
                # A token's time may be over, or an agent may have written another one.
                self._sign_in()
                return question()
        except InvalidPath:
            raise
        except (VaultError, requests.RequestException, KeyError, TypeError, ValueError) as error:
            # Never its own words: they may hold what was asked for.
            raise Unavailable(
                f"The Vault cannot be asked ({type(error).__name__}).",
                code="vault_unavailable",
                retry_after_s=5.0,
            ) from error

    def _sign_in(self) -> None:
        token = self._token()
        if token:
            self._client.token = token
            return
        role, secret = self._role()
        self._client.auth.approle.login(role, secret)

    def _token(self) -> str:
        given = self._given.get("VAULT_TOKEN", "")
        path = self._given.get("VAULT_TOKEN_FILE", "")
        if given or not path:
            return given
        try:
            return Path(path).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _role(self) -> tuple[str, ...]:
        role, secret = self._given.get("VAULT_ROLE_ID"), self._given.get("VAULT_SECRET_ID")
        return (role, secret) if role and secret else ()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
