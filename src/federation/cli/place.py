"""Which gateway a command means, and with which key: flags, environment, files, in this order."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from federation.bootstrap.hold import Holder, holder
from federation.cli.client import Gateway
from federation.config import paths
from federation.config.quantities import is_loopback

_API_KEY, _ADMIN_KEY = "FEDERATION_API_KEY", "FEDERATION_ADMIN_KEY"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


@dataclass(frozen=True, slots=True)
class Place:
    """What was said on the command line; the rest is looked up when it is wanted."""

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    config: Path | None = None
    data: Path | None = None

    @property
    def config_dir(self) -> Path:
        """The configuration's directory."""
        return paths.config_dir(self.config, os.environ)

    @property
    def data_dir(self) -> Path:
        """The data's directory."""
        return paths.data_dir(self.data, self.environ)

    @property
    def env_file(self) -> Path:
        """The `.env` file that belongs to the configuration."""
        return paths.env_file(self.config_dir)

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment with the `.env` file underneath."""
        from federation.config import environment  # noqa: PLC0415 - start-up time

        return environment.gather(os.environ, self.env_file).values

    def holder(self) -> Holder | None:
        """The gateway that runs on our data directory, None where none does."""
        return holder(paths.run_dir(self.data_dir))

    def address(self) -> str:
        """The base address: as said, of who runs on our data, as configured; `ConfigError`."""
        if self.url is not None:
            return self.url.rstrip("/")
        if (running := self.holder()) is not None and running.url:
            return running.url
        from federation.config.peek import peek_server  # noqa: PLC0415 - start-up time

        server = peek_server(self.config_dir, os.environ, self.env_file)
        host = _EVERYWHERE.get(server.host, server.host)
        return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"

    def secret(self) -> str | None:
        """The key to present, None where there is none.

        To another machine goes only what was given or exported for it: what lies in the `.env`
        file and the data directory opens this machine's gateway.
        """
        from federation.cli.login_store import access_token  # noqa: PLC0415 - start-up time

        environ = _exported() if self._is_foreign() else self.environ
        for given in (self.api_key, environ.get(_API_KEY)):
            if given and given.strip():
                return given.strip()
        # Who has signed in wants to act as themselves, also where an admin key lies about.
        signed_in = access_token(self.address(), self.environ)
        if signed_in is not None:
            return signed_in
        admin = environ.get(_ADMIN_KEY, "").strip()
        return admin or (None if self._is_foreign() else self._admin_key())

    def gateway(self) -> Gateway:
        """A client of the gateway; nothing is sent yet."""
        key = self.secret()
        return Gateway(self.address(), key, withheld=key is None and self._has_own_key())

    def _is_foreign(self) -> bool:
        return self.url is not None and not is_loopback(_host(self.url))

    def _has_own_key(self) -> bool:
        environ = self.environ
        said = any(environ.get(name, "").strip() for name in (_API_KEY, _ADMIN_KEY))
        return said or self._admin_key() is not None

    def _admin_key(self) -> str | None:
        try:
            return paths.admin_key_file(self.data_dir).read_text("utf-8").strip() or None
        except OSError:
            return None


def _exported() -> Mapping[str, str]:
    from federation.config import environment  # noqa: PLC0415 - start-up time

    return environment.gather(os.environ, None).values


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
