"""Structured logs: one JSON object a line on stderr, with secrets taken out underneath.

Safe for a worker to import. Rooms log through `logging.getLogger(__name__)` with a constant
message and `extra={...}`. The trap: nobody has to remember to redact. The formatter does it
for every field, message and traceback; and fields that hold content are never written.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from typing import TextIO

import msgspec

REDACTED = "[redacted]"

_SECRET_FIELDS = re.compile(
    r"secret|password|passphrase|authorization|credential|cookie|api[-_]?key|master[-_]?key"
    r"|(?:access|refresh|id|session|bearer|auth)_?token|^token$|signature",
    re.IGNORECASE,
)
_CONTENT_FIELDS = frozenset(
    {"prompt", "content", "messages", "body", "text", "completion", "input"}
)
# What a secret looks like when it stands in the middle of a sentence: ours, a bearer header,
# a query parameter, userinfo in an address, and the prefixes that vendors give their keys.
_SECRETS = re.compile(
    r"fed_[A-Za-z0-9_-]{8,}"
    r"|(?<=[Bb]earer )[^\s\"',]{8,}"
    r"|(?<=[?&]key=)[^&\s\"']+"
    r"|(?<=[?&]api_key=)[^&\s\"']+"
    r"|(?<=://)[^/@\s:]*:[^/@\s]+(?=@)"
    r"|(?<=[Bb]asic )[A-Za-z0-9+/=_-]{8,}"
    r"|\b(?:sk|pk|rk|gsk|xai|key|csk|pplx|tgp|nvapi|hf|r8|AIza|AKIA)[-_]?[A-Za-z0-9_-]{16,}"
    r"|\bhv[bsr]\.[A-Za-z0-9_-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"
)
# What logging itself puts on a record; all else came in `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}

_encode = msgspec.json.Encoder(enc_hook=str, order=None).encode


def redact(text: str) -> str:
    """The text without anything that looks like a secret, and as text that can be written: a
    file's name need not be UTF-8."""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return _SECRETS.sub(REDACTED, text)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: ts, level, logger, process, message, then its extras."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Render; never raises for what an extra may hold."""
        return _encode(self.fields(record)).decode()

    def fields(self, record: logging.LogRecord) -> dict[str, object]:
        """What the line says, redacted."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": self._process,
            "message": redact(record.getMessage()),
        }
        for name, value in vars(record).items():
            if name not in _OWN and name not in line:
                line[name] = _field(name, value)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = redact("".join(traceback.format_exception(*record.exc_info)))
        return line


def _field(name: str, value: object) -> object:
    if name in _CONTENT_FIELDS or _SECRET_FIELDS.search(name):
        return REDACTED
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {redact(str(key)): _field(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_field("", item) for item in value]
    return redact(str(value))


class ConsoleFormatter(JsonFormatter):
    """The same facts, equally redacted, in a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Render as time, level, process, message, then `name=value`."""
        line = self.fields(record)
        said = f"{line.pop('ts')} {line.pop('level'):<7} {line.pop('process')}"
        said += f" {line.pop('logger')}: {line.pop('message')}"
        stack = line.pop("exception", "")
        said += "".join(f" {name}={value}" for name, value in line.items())
        return f"{said}\n{stack}".rstrip()


def configure(
    process: str,
    level: str = "info",
    form: str = "json",
    stream: TextIO | None = None,
) -> None:
    """Send this process's logs to stderr; call first thing. A later call replaces it."""
    target = logging.StreamHandler(stream or sys.stderr)
    formatter = ConsoleFormatter if form == "console" else JsonFormatter
    target.setFormatter(formatter(process))
    root = logging.getLogger()
    root.handlers[:] = [target]
    root.setLevel(level.upper())
    # Its greetings say nothing that our own lines do not.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # A log line must not be what kills a request: a closed stderr is ignored.
    logging.raiseExceptions = False
