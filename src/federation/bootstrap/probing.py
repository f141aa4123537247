"""How providers are probed from outside a worker: by the way that calls to them take.

The trap: where a proxy is the only way out, whoever asks without it finds every provider silent,
switches none on, and never sees one well again. And a reload may name another one.
"""

from __future__ import annotations

from collections.abc import Callable

from federation.control.probes import Prober
from federation.domain.routes import Settings
from federation.gateway.tokens import Tokens
from federation.ports import Exchange
from federation.schema.http import Timeouts, WireRequest
from federation.transport import proxies
from federation.transport.client import Client


def open_prober(client: Client, settings: Callable[[], Settings]) -> Prober:
    """Asks providers as the configuration of the moment would have them asked."""
    way = _Way(client, settings)
    return Prober(way, Tokens(way).sign)


class _Way:
    """A transport to providers."""

    def __init__(self, client: Client, settings: Callable[[], Settings]) -> None:
        self._client = client
        self._settings = settings

    async def send(
        self,
        request: WireRequest,
        timeouts: Timeouts,
        on_sent: Callable[[], None] | None = None,
    ) -> Exchange:
        """As `Client.send`."""
        self._client.go_through(proxies.configured(self._settings()))
        return await self._client.send(request, timeouts, on_sent)
