"""A client of the gateway's HTTP API for the command line: one request, one answer.

The standard library's client, and that only when something is asked: a command should not
spend longer on imports than on its question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from federation import __version__
from federation.cli.failures import CommandFailed, Exit

ANSWER_LIMIT = 64 * 1024 * 1024
_NO_KEY, _NOTHING = 401, 204
_REFUSED = (_NO_KEY, 403)
_WITHHELD = (
    "The keys in this machine's .env and data directory are not sent to another machine. Give one "
    "with --api-key, or export FEDERATION_API_KEY or FEDERATION_ADMIN_KEY."
)


class Unreachable(CommandFailed):
    """No gateway answers at the address; `asked` where it may have heard what was asked."""

    def __init__(self, url: str, reason: str, *, asked: bool = False, change: bool = False) -> None:
        hint = "Start one with `federation up`, or say where it is with --url."
        if asked and change:
            hint = "It may have been done, or be done yet: look before you ask again."
        super().__init__(
            f"No gateway answers at {url} ({reason}).",
            hint=hint,
            code="unreachable",
            exit_code=Exit.UNREACHABLE,
        )
        self.asked = asked


class Answered(CommandFailed):
    """The gateway answered with an error; `status` is its HTTP status."""

    def __init__(self, status: int, message: str, code: str, details: dict[str, object]) -> None:
        hints = {
            401: "Give a key with --api-key or FEDERATION_API_KEY; `federation key create` "
            "makes one.",
            403: "`federation key list` shows what a key may do.",
        }
        not_allowed = status in _REFUSED or code == "no_eligible_deployment"
        super().__init__(
            message,
            hint="" if code == "no_eligible_deployment" else hints.get(status, ""),
            code=code,
            exit_code=Exit.REFUSED if not_allowed else Exit.FAILURE,
            details=details,
        )
        self.status = status


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where to ask, and with which key. Raises `Unreachable` and `Answered`.

    `withheld` says that there is a key, which is not for this address.
    """

    url: str
    key: str | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    withheld: bool = False

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """The JSON at a path."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def post(
        self, path: str, body: object = None, *, timeout_s: float | None = None, once: str = ""
    ) -> Any:
        """What posting `body` as JSON brings; None where the answer is empty.

        Posted again under the name `once`, it is not done again, and answered as before.
        """
        return self._ask("POST", path, body, timeout_s, once)

    def patch(self, path: str, body: object) -> Any:
        """What changing these fields brings."""
        return self._ask("PATCH", path, body)

    def pages(self, path: str, query: Mapping[str, object] | None = None) -> list[Any]:
        """Everything in a list, page by page."""
        asked: dict[str, object] = {k: v for k, v in (query or {}).items() if v is not None}
        found: list[Any] = []
        while True:
            page = self.get(path, asked)
            found += page["data"]
            if not (following := page.get("next")):
                return found
            asked["cursor"] = following

    def delete(self, path: str) -> Any:
        """What deleting brings."""
        return self._ask("DELETE", path, None)

    def health(self, path: str) -> tuple[int, Any]:
        """Status and body of a health path, whatever they are; None where it is no JSON."""
        status, body = self._exchange("GET", path, None, self.timeout_s)
        return status, _parsed(body)

    def stranger(self) -> Unreachable:
        """The failure where something answers, and not as a gateway does."""
        return Unreachable(self.url, "what answers there is no Federation gateway")

    def _ask(
        self, method: str, path: str, body: object, timeout_s: float | None = None, once: str = ""
    ) -> Any:
        status, answer = self._exchange(method, path, body, timeout_s or self.timeout_s, once)
        if status == _NOTHING:
            return None
        parsed = _parsed(answer)
        if status < 400:
            if isinstance(parsed, dict) or answer.strip() == b"null":
                return parsed
            raise self.stranger()
        error = parsed.get("error") if isinstance(parsed, dict) else None
        error = error if isinstance(error, dict) else {}
        message = error.get("message") or f"The gateway answered with status {status}."
        more = {key: error[key] for key in ("param", "removed") if error.get(key)}
        answered = Answered(status, str(message), str(error.get("code") or status), more)
        if status == _NO_KEY and self.withheld:
            answered.hint = _WITHHELD
        raise answered

    def _exchange(
        self, method: str, path: str, body: object, timeout_s: float, once: str = ""
    ) -> tuple[int, bytes]:
        import http.client  # noqa: PLC0415 - start-up time

        connection, prefix = self._connect(timeout_s)
        change = method != "GET"
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers(once, has_body=data is not None)
        asked = False
        try:
            connection.connect()
            asked = True
            connection.request(method, prefix + path, data, headers)
            response = connection.getresponse()
            answer = response.read(ANSWER_LIMIT + 1)
        except TimeoutError:
            why = f"no answer within {timeout_s:g} s"
            raise Unreachable(self.url, why, asked=asked, change=change) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise Unreachable(self.url, _reason(error), asked=asked, change=change) from None
        finally:
            connection.close()
        if len(answer) > ANSWER_LIMIT:
            message = f"The answer is larger than {ANSWER_LIMIT >> 20} MB, so it was not read."
            raise CommandFailed(message, hint="Ask for less at a time.", code="answer_too_large")
        return response.status, answer

    def _headers(self, once: str, *, has_body: bool) -> dict[str, str]:
        headers = {"user-agent": f"federation-cli/{__version__}", "accept": "application/json"}
        if self.key:
            headers["authorization"] = f"Bearer {_sendable(self.key)}"
        if has_body:
            headers["content-type"] = "application/json"
        if once:
            headers["idempotency-key"] = once
        return headers

    def _connect(self, timeout_s: float) -> tuple[Any, str]:
        from http.client import (  # noqa: PLC0415 - start-up time
            HTTPConnection,
            HTTPSConnection,
            InvalidURL,
        )

        kinds: dict[str, type[HTTPConnection]]
        kinds = {"http": HTTPConnection, "https": HTTPSConnection}
        try:
            parts = urlsplit(self.url)
            host, kind = parts.hostname or "", kinds[parts.scheme]
            # Without a port the end of an address of IPv6 would be taken for one.
            port = kind.default_port if parts.port is None else parts.port
            connection = kind(host, port, timeout=timeout_s)
        except (ValueError, KeyError, InvalidURL):
            host = ""
        if not host:
            raise CommandFailed(
                "The gateway's address should look like http://127.0.0.1:8000.",
                hint="See --url and FEDERATION_URL.",
                code="usage",
                exit_code=Exit.USAGE,
            )
        return connection, quote(parts.path.rstrip("/"))


def part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def _sendable(key: str) -> str:
    """The key, if a header can carry it; the message must not repeat it."""
    if key.isascii() and key.isprintable():
        return key
    raise CommandFailed(
        "The key holds a line break or another character that no key has.",
        hint="See --api-key, FEDERATION_API_KEY and FEDERATION_ADMIN_KEY.",
        code="usage",
        exit_code=Exit.USAGE,
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    import socket  # noqa: PLC0415 - start-up time

    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "unknown host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "the answer is not HTTP"
