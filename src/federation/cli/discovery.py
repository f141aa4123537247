"""What runs on this machine: local servers of the catalogue, found by asking their ports.

All ports are asked at once and none for longer than a fifth of a second in all, however
slowly it answers. The trap is
finding ourselves: our own port is never asked, and an answer that comes from a gateway like
us is no server.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from federation.config.quantities import is_loopback
from federation.config.variables import FURTHER_PORTS
from federation.domain.catalogue import Provider

PROBE_S = 0.2
LIST_LIMIT = 1_000_000
MOST_MODELS = 50
# Two ways in which local servers list what they have loaded, by dialect.
_LISTS = {"ollama": ("/api/tags", "models", "name")}
_OPENAI_LIST = ("/models", "data", "id")


@dataclass(frozen=True, slots=True)
class Found:
    """A local server that answered, and the models that it lists."""

    provider: str
    base_url: str
    models: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """Its row for providers.yaml; what runs on our own machine costs nothing a token."""
        free = {"input": 0, "output": 0, "cached": 0, "cache_write": 0}
        return {
            "id": self.provider,
            "base_url": self.base_url,
            "models": [{"id": model, "price": free} for model in self.models],
        }


def discover(
    catalogue: Mapping[str, Provider], taken: Iterable[str], ours: tuple[str, int]
) -> list[Found]:
    """The local servers that answer, one for each port, but for providers in `taken`."""
    known = set(taken)
    asked: dict[tuple[str, int], list[tuple[Provider, str]]] = {}
    for row in catalogue.values():
        if not row.local or row.id in known:
            continue
        for base_url in _addresses(row):
            parts = urlsplit(base_url)
            place = (parts.hostname or "", parts.port or 80)
            if not _is_ours(place, ours):
                asked.setdefault(("127.0.0.1", place[1]), []).append((row, base_url))
    if not asked:
        return []
    with ThreadPoolExecutor(len(asked), thread_name_prefix="discover") as pool:
        answers = pool.map(_first_of, asked.values())
        return _one_each(found for found in answers if found is not None)


def _addresses(row: Provider) -> list[str]:
    parts = urlsplit(row.base_url)
    further = FURTHER_PORTS.get(row.id, ())
    return [
        row.base_url,
        *(parts._replace(netloc=f"{parts.hostname}:{port}").geturl() for port in further),
    ]


def _is_ours(place: tuple[str, int], ours: tuple[str, int]) -> bool:
    host, port = ours
    here = is_loopback(host) or host in ("0.0.0.0", "::", "")  # noqa: S104 - compared only
    return place[1] == port and here and is_loopback(place[0])


def _one_each(found: Iterable[Found]) -> list[Found]:
    """A provider answers for one address: two instances need rows of their own."""
    first: dict[str, Found] = {}
    for each in found:
        first.setdefault(each.provider, each)
    return list(first.values())


def _first_of(rows: list[tuple[Provider, str]]) -> Found | None:
    """Who of those that use a port is there: the one whose name the list bears, or the first."""
    until = time.monotonic() + PROBE_S
    answers: dict[str, Any] = {}
    best: Found | None = None
    for row, base_url in rows:
        path, key, name = _LISTS.get(row.dialect, _OPENAI_LIST)
        where = base_url.rstrip("/") + path
        if where not in answers:
            answers[where] = _ask(where, until)
        listed = answers[where].get(key) if isinstance(answers[where], dict) else None
        if not isinstance(listed, list):
            continue
        items = [item for item in listed if isinstance(item, dict)]
        owners = {str(item.get("owned_by", "")).lower() for item in items}
        if "federation" in owners:
            return None
        models = [str(item[name]) for item in items if isinstance(item.get(name), str)]
        found = Found(row.id, base_url, tuple(models[:MOST_MODELS]))
        if any(row.id in owner for owner in owners):
            return found
        best = best or found
    return best


class _Hurried(socket.socket):
    """A connection whose waits share one deadline: a timeout alone begins anew at every read."""

    def __init__(self, place: tuple[str, int], until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        super().__init__(fileno=socket.create_connection(place, left).detach())
        self._until = until
        self.settimeout(left)

    def recv_into(self, *given: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        return super().recv_into(*given)


def _ask(where: str, until: float) -> Any:
    parts = urlsplit(where)
    place = (parts.hostname or "", parts.port or 80)
    connection = http.client.HTTPConnection(*place)
    try:
        connection.sock = _Hurried(place, until)
        connection.request("GET", parts.path, headers={"accept": "application/json"})
        response = connection.getresponse()
        return json.loads(response.read(LIST_LIMIT)) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
