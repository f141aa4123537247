"""Local servers: those of the catalogue at their usual ports, and those whose address an operator
gave without naming their models.

All are asked at once and none for longer than a fifth of a second in all, however slowly it
answers. The trap is finding ourselves: our own port is never asked, and an answer that comes from
a gateway like us is no server.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
# Local servers list these beside those that chat, and say nothing of what they do.
_EMBEDDERS = ("embed", "bge-", "all-minilm")


@dataclass(frozen=True, slots=True)
class Found:
    """A local server that answered, and the models that it lists."""

    provider: str
    base_url: str
    models: tuple[str, ...]
    local: bool = True

    def row(self) -> dict[str, Any]:
        """Its row for providers.yaml; what runs on our own machine costs nothing a token. What the
        catalogue knows of models that are not loaded here does not count."""
        return {
            "id": self.provider,
            "base_url": self.base_url,
            "models": [_model(name, free=self.local) for name in self.models],
            "replace_models": True,
        }


def _model(name: str, *, free: bool) -> dict[str, Any]:
    price = {"input": 0, "output": 0, "cached": 0, "cache_write": 0}
    embeds = any(part in name.lower() for part in _EMBEDDERS)
    more = {"operations": ["embeddings"]} if embeds else {}
    return {"id": name} | ({"price": price} if free else {}) | more


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row, where it may be, and the key that it is asked with."""

    row: Provider
    base_url: str
    secret: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        auth = self.row.auth
        signed = self.secret and auth.scheme in ("bearer", "header")
        return auth.extra | ({auth.name: auth.prefix + self.secret} if signed else {})


def discover(
    catalogue: Mapping[str, Provider],
    configured: Mapping[str, Provider],
    ours: tuple[str, int],
    secrets: Mapping[str, str] | None = None,
) -> list[Found]:
    """The local servers that answer: the catalogue's, one for each port, and those `configured`
    that say where they are and not which models they have.

    Where a configured provider is, no other is looked for. `secrets` are by provider; each is
    sent to its own provider alone.
    """
    keys = secrets or {}
    asked = [
        [_Asked(row, row.base_url, keys.get(row.id, ""))]
        for row in configured.values()
        if _is_silent(row, catalogue.get(row.id)) and not _is_ours(_place(row.base_url), ours)
    ]
    taken = {_place(row.base_url) for row in configured.values() if "{" not in row.base_url}
    ports: dict[tuple[str, int], list[_Asked]] = {}
    for row in catalogue.values():
        for base_url in _addresses(row) if row.local and row.id not in configured else ():
            place = _place(base_url)
            if place not in taken and not _is_ours(place, ours):
                ports.setdefault(place, []).append(_Asked(row, base_url))
    asked += ports.values()
    if not asked:
        return []
    with ThreadPoolExecutor(len(asked), thread_name_prefix="discover") as pool:
        answers = pool.map(_first_of, asked)
        return _one_each(found for found in answers if found is not None)


def _is_silent(row: Provider, known: Provider | None) -> bool:
    """Whether a configured row leaves open which models its server has loaded. One behind TLS is
    not asked: a fifth of a second is too short for that."""
    server = row.local or (known is not None and known.local)
    plain = server and row.enabled and row.base_url.startswith("http://")
    return plain and row.models == (known.models if known is not None else ())


def _addresses(row: Provider) -> list[str]:
    parts = urlsplit(row.base_url)
    further = FURTHER_PORTS.get(row.id, ())
    return [
        row.base_url,
        *(parts._replace(netloc=f"{parts.hostname}:{port}").geturl() for port in further),
    ]


def _place(base_url: str) -> tuple[str, int]:
    """Host and port; this machine has one name."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return ("127.0.0.1" if is_loopback(host) else host, port)


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


def _first_of(group: list[_Asked]) -> Found | None:
    """Who of those that use a port is there: the one whose name the list bears, or the first."""
    until = time.monotonic() + PROBE_S
    answers: dict[str, Any] = {}
    best: Found | None = None
    for each in group:
        path, key, name = _LISTS.get(each.row.dialect, _OPENAI_LIST)
        where = each.base_url.rstrip("/") + path
        if where not in answers:
            answers[where] = _ask(where, each.headers, until)
        listed = answers[where].get(key) if isinstance(answers[where], dict) else None
        if not isinstance(listed, list):
            continue
        items = [item for item in listed if isinstance(item, dict)]
        owners = {str(item.get("owned_by", "")).lower() for item in items}
        if "federation" in owners:
            return None
        models = [str(item[name]) for item in items if isinstance(item.get(name), str)]
        found = Found(each.row.id, each.base_url, tuple(models[:MOST_MODELS]), each.row.local)
        if any(each.row.id in owner for owner in owners):
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


def _ask(where: str, headers: Mapping[str, str], until: float) -> Any:
    parts = urlsplit(where)
    place = (parts.hostname or "", parts.port or 80)
    connection = http.client.HTTPConnection(*place)
    try:
        connection.sock = _Hurried(place, until)
        connection.request("GET", parts.path, headers={"accept": "application/json", **headers})
        response = connection.getresponse()
        return json.loads(response.read(LIST_LIMIT)) if response.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
