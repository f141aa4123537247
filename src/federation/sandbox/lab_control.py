"""What the lab says about itself over HTTP: its log, and switches for tests and people.

GET  /lab                                   what it is, its models and its faults
GET  /lab/log?since=N                       what it saw after entry N
POST /lab/reset                             forget everything
POST /lab/down?provider=P&for_s=S&how=503   503 | reset | closed | silent; all, for ever
POST /lab/up?provider=P
"""

from __future__ import annotations

from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import msgspec

from federation.errors import FederationError, InvalidRequest, MethodNotAllowed, NotFound
from federation.sandbox import replies
from federation.sandbox.lab_desk import DOWN, Desk
from federation.sandbox.lab_log import Shown
from federation.sandbox.lab_plays import WORDS
from federation.sandbox.lab_voices import VOICES
from federation.schema.http import ClientReply, ClientRequest

_PATHS: Final = {
    "/lab": "GET",
    "/lab/log": "GET",
    "/lab/reset": "POST",
    "/lab/down": "POST",
    "/lab/up": "POST",
}
_LONGEST_S: Final = 86_400.0


class Controlled(Protocol):
    """The lab, as far as its switches reach."""

    desk: Desk

    def reset(self) -> None:
        """Forget everything."""
        ...

    def show(self, since: int = 0) -> Shown:
        """The log after an entry."""
        ...


def answer(lab: Controlled, request: ClientRequest) -> ClientReply:
    """The reply to a request under /lab; never raises for what a client may get wrong."""
    try:
        return replies.rendered(msgspec.json.encode(_answer(lab, request)))
    except FederationError as error:
        return replies.render_error(error, request.path)


def _answer(lab: Controlled, request: ClientRequest) -> Any:
    path = request.path.rstrip("/")
    method = _PATHS.get(path)
    if method is None:
        raise NotFound(f"the lab has no {request.path}")
    if request.method != method:
        raise MethodNotAllowed(f"{path} takes {method}")
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    match path:
        case "/lab/log":
            return lab.show(int(_number(query, "since") or 0))
        case "/lab/reset":
            lab.reset()
        case "/lab/down":
            how = query.get("how", "503")
            if how not in DOWN:
                raise InvalidRequest(f"'how' is one of {', '.join(DOWN)}", param="how")
            lab.desk.down(query.get("provider", ""), _number(query, "for_s"), how)
        case "/lab/up":
            lab.desk.up(query.get("provider", ""))
        case _:
            return manual()
    return {"down": lab.desk.outages()}


def manual() -> dict[str, Any]:
    """What can be asked for by name."""
    faults = {
        word: {"meaning": known.meaning, "number": known.number, "unit": known.unit}
        for word, known in WORDS.items()
    }
    return {
        "name": "model[-tokens][:fault[-number][-once|-xN]]",
        "models": {voice.name: voice.meaning for voice in VOICES.values()},
        "faults": {**faults, "4xx, 5xx": {"meaning": "that status, with -after-S Retry-After"}},
    }


def _number(query: dict[str, str], name: str) -> float | None:
    given = query.get(name)
    if given is None:
        return None
    try:
        value = float(given)
    except ValueError:
        raise InvalidRequest(f"'{name}' is no number", param=name) from None
    if not 0 <= value <= max(_LONGEST_S, 1e9 if name == "since" else 0):
        raise InvalidRequest(f"'{name}' is out of range", param=name)
    return value
