"""Which proxy, if any, stands between us and an origin: pure rules over what the caller read.

The trap: behind a proxy the name is resolved by the proxy, so our guard sees only the name.
An operator who must be sure forbids inside addresses at the proxy too.
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from federation.domain import hosts
from federation.domain.routes import Settings
from federation.errors import ConfigError, Problem
from federation.schema.http import Origin


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy's address and what it wants to be told. `authorization` is a secret."""

    scheme: str
    host: str
    port: int
    authorization: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for https and http origins, and who is reached without them."""

    https: Proxy | None = None
    http: Proxy | None = None
    bypass: tuple[str, ...] = ()

    def choose(self, origin: Origin) -> Proxy | None:
        """Return the proxy for an origin; None where it is connected to directly.

        Unix sockets, `localhost` and loopback literals never go through a proxy: they name
        this host, and the proxy would take them for itself.
        """
        if origin.scheme == "https":
            proxy = self.https
        elif origin.scheme == "http":
            proxy = self.http
        else:
            return None
        if proxy is None or _is_local(origin.host):
            return None
        host = origin.host.strip("[]").rstrip(".").lower()
        if any(_matches(rule, host, origin.port) for rule in self.bypass):
            return None
        return proxy


DIRECT = Proxies()


def parse(*, https: str | None = None, http: str | None = None, no_proxy: str = "") -> Proxies:
    """Read the three values that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` hold.

    Raises `ConfigError` for an address that cannot be used; its text never repeats the value,
    which may hold a password.
    """
    rules = tuple(rule.strip().lower() for rule in no_proxy.replace(" ", ",").split(","))
    return Proxies(
        https=_proxy("HTTPS_PROXY", https),
        http=_proxy("HTTP_PROXY", http),
        bypass=tuple(rule for rule in rules if rule),
    )


def configured(settings: Settings) -> Proxies:
    """Those that a configuration names."""
    return parse(
        https=settings.proxy, http=settings.http_proxy, no_proxy=",".join(settings.no_proxy)
    )


def _proxy(variable: str, text: str | None) -> Proxy | None:
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        message = "must be an address like http://proxy.example:3128 (http or https)"
        raise ConfigError([Problem(variable, None, message)])
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = b"Basic " + base64.b64encode(pair.encode())
    default = 443 if parts.scheme == "https" else 80
    return Proxy(parts.scheme, host, port or default, authorization)


def _is_local(host: str) -> bool:
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = hosts.literal(host)
    return address is not None and address.is_loopback


def _matches(rule: str, host: str, port: int) -> bool:
    """Tell whether one NO_PROXY rule covers a host.

    Forms: `*`, a name (it and everything under it), `.name` and `*.name` (the same), an
    address, a CIDR block, and any but the block with `:port`.
    """
    if rule == "*":
        return True
    name, colon, wanted = rule.rpartition(":")
    if colon and wanted.isdigit() and (":" not in name or name.endswith("]")):
        if int(wanted) != port:
            return False
        rule = name
    rule = rule.strip("[]")
    address = hosts.literal(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    suffix = rule.removeprefix("*").strip(".")
    return host == suffix or (bool(suffix) and host.endswith("." + suffix))
