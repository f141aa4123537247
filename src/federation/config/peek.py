"""Where to listen, found out quickly: what the launcher needs before anything else is loaded.

The same files, variables and precedence as `load`, without Pydantic, and blind to
everything but `server:`. What is wrong elsewhere is for `load` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from federation.config import document, environment
from federation.config.document import Document, Value
from federation.config.server_settings import ServerSettings
from federation.errors import ConfigError

MAX_WORKERS = 256
LONGEST_DRAIN_S = 600.0
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on", "t", "y"), True),
    **dict.fromkeys(("0", "false", "no", "off", "f", "n"), False),
}


def peek_server(
    config_dir: Path, environ: Mapping[str, str], env_file: Path | None = None
) -> ServerSettings:
    """The server's settings, but for what only a loaded configuration needs.

    Raises `ConfigError` where one of them cannot be used.
    """
    path = config_dir / "federation.yaml"
    found = document.read(path, str(path))
    if found.value is None and not found.problems:
        found.value = {}
    if isinstance(found.value, dict):
        environment.lay_over(environment.gather(environ, env_file), found)
    default = ServerSettings()
    settings = ServerSettings(
        host=_text(found, "host", default.host),
        port=int(_number(found, "port", default.port, 0, 65535)),
        workers=int(_number(found, "workers", default.workers, 1, MAX_WORKERS)),
        open=_boolean(found, "open", default.open),
        drain_s=_number(found, "drain_s", default.drain_s, 0, LONGEST_DRAIN_S),
    )
    if found.problems:
        raise ConfigError(found.problems)
    return settings


def _refuse(found: Document, key: str, message: str) -> None:
    found.problems.append(found.problem(("server", key), f"'server.{key}' {message}"))


def _written(found: Document, key: str) -> Value:
    server = found.at(("server",))
    return server.get(key) if isinstance(server, dict) else None


def _text(found: Document, key: str, default: str) -> str:
    value = _written(found, key)
    if value is None:
        return default
    if isinstance(value, str) and value and " " not in value:
        return value
    _refuse(found, key, "should be a host name or address")
    return default


def _number(found: Document, key: str, default: float, low: float, high: float) -> float:
    value = _written(found, key)
    if value is None:
        return default
    try:
        number = float(value)  # type: ignore[arg-type]
        whole = isinstance(default, float) or number == int(number)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if isinstance(value, bool) or not whole or not low <= number <= high:
        kind = "a number" if isinstance(default, float) else "a whole number"
        _refuse(found, key, f"should be {kind} from {low:g} to {high:g}")
        return default
    return number


def _boolean(found: Document, key: str, default: bool) -> bool:
    value = _written(found, key)
    if value is None or isinstance(value, bool):
        return default if value is None else value
    known = _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        _refuse(found, key, "should be true or false")
        return default
    return known
