"""From a reference to the secret: the one place where configuration opens a key.

A missing secret is not an error here: the provider is then not usable, and says so. No
message repeats what was found. Some credentials have several parts (a row's `auth_parts`),
each in a variable of its own: they become one text, a JSON object by the variables' names.
The trap is a variable that holds a path: what counts is the content of the file, which is
read here, because whoever signs may not touch the world.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from federation.config.settings import Loaded
from federation.domain.catalogue import Provider
from federation.errors import Problem

SECRET_LIMIT = 65_536
_PATHS = ("_FILE", "_APPLICATION_CREDENTIALS")
"""How the names of variables end that hold the path of a file instead of a secret."""


Vault = Callable[[str], tuple[str | None, str]]
"""Reads `MOUNT/PATH#FIELD`: the secret, if there is one, and a remark for the operator."""


def no_vault(reference: str) -> tuple[str | None, str]:
    """Where no Vault can be asked."""
    return None, f"vault:{reference} is read by the running gateway only"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Secrets by provider id, and what was noticed about their references."""

    secrets: dict[str, str] = field(repr=False)
    warnings: tuple[Problem, ...] = ()


def resolve_credential(
    reference: str, environ: Mapping[str, str], vault: Vault = no_vault
) -> str | None:
    """The secret behind `env:NAME`, `file:PATH` or `vault:MOUNT/PATH#FIELD`; None where there
    is none to be had."""
    return _resolve(reference, environ, vault)[0]


def resolve_all(loaded: Loaded, vault: Vault = no_vault) -> Resolved:
    """The secret of every provider that has a credential which can be read."""
    secrets: dict[str, str] = {}
    warnings: list[Problem] = []
    seen: dict[tuple[str, ...], tuple[str | None, str]] = {}
    for provider, reference in loaded.credentials.items():
        row = loaded.providers[provider]
        names = _names(row, reference)
        known = (reference, _scope(row), *names)
        if known not in seen:
            seen[known] = _whole(row, reference, names, loaded.environ, vault)
        secret, remark = seen[known]
        if secret is not None:
            secrets[provider] = secret
        if remark:
            warnings.append(Problem(f"provider {provider}", None, remark))
    return Resolved(secrets, tuple(warnings))


def files(providers: Iterable[Provider], environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that hold credentials, to be watched with the configuration: tokens that a
    cluster writes anew every hour lie in files, too."""
    paths: set[Path] = set()
    for row in providers:
        kind, _, rest = (row.credential or "").partition(":")
        if kind == "file":
            paths.add(Path(rest))
        elif kind == "env":
            for name in _names(row, row.credential or "") or (rest,):
                value = environ.get(name, "").strip()
                if _is_path(name, value):
                    paths.add(_path(value))
    for path in tuple(paths):
        secret, _ = _from_file(path)
        paths |= {Path(source["file"]) for source in _sources(_key_file(secret or ""))}
    return tuple(sorted(paths))


def _names(row: Provider, reference: str) -> tuple[str, ...]:
    """The variables that make up a credential together: those of the row, where the reference
    names one of them, and the region's, which some sign with."""
    kind, _, name = reference.partition(":")
    words = row.quirks.get("auth_parts")
    parts = tuple(str(word) for word in words) if isinstance(words, list | tuple) else ()
    if kind != "env" or name not in parts:
        return ()
    placeholders = row.quirks.get("placeholders")
    region = placeholders.get("region") if isinstance(placeholders, dict) else None
    return (*parts, region) if isinstance(region, str) else parts


def _scope(row: Provider) -> str:
    """The variable that holds the scope of the row's tokens."""
    name = row.quirks.get("scope_env")
    return name if isinstance(name, str) else ""


def _whole(
    row: Provider,
    reference: str,
    names: tuple[str, ...],
    environ: Mapping[str, str],
    vault: Vault,
) -> tuple[str | None, str]:
    """The secret in whole, and a remark for the operator."""
    secret, remark = _resolve(reference, environ, vault)
    if secret is None:
        return None, remark
    if names:
        return _gathered(names, environ)
    scope = environ.get(_scope(row), "").strip()
    if scope and not secret.startswith("{"):
        return _rendered({"secret": secret, "scope": scope}), remark
    return _with_subject(secret), remark


def _gathered(names: tuple[str, ...], environ: Mapping[str, str]) -> tuple[str, str]:
    """Every part that is set, with the content of files in the place of their paths."""
    parts: dict[str, str] = {}
    remarks: list[str] = []
    for name in names:
        secret, remark = _resolve(f"env:{name}", environ, no_vault)
        if secret is not None:
            parts[name] = secret
        if remark and environ.get(name):
            remarks.append(remark)
    return _rendered(parts), "; ".join(remarks)


def _with_subject(secret: str) -> str:
    """A key file that names the file of another token gets that file's content."""
    whole = _key_file(secret)
    for source in _sources(whole):
        content, _ = _from_file(Path(source["file"]))
        if content is not None:
            source["content"] = content
    return _rendered(whole) if whole else secret


def _key_file(secret: str) -> dict[str, Any]:
    """A key file that builds on another token; empty for every other credential."""
    if not secret.startswith("{") or '"credential_source"' not in secret:
        return {}
    try:
        return msgspec.json.decode(secret, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _sources(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sources of a key file, and of the key file that it builds on."""
    for holder in (whole, whole.get("source_credentials")):
        source = holder.get("credential_source") if isinstance(holder, dict) else None
        if isinstance(source, dict) and isinstance(source.get("file"), str):
            yield source


def _rendered(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _is_path(name: str, value: str) -> bool:
    """Whether a variable holds a path; some programs put the content itself there."""
    return name.endswith(_PATHS) and not value.startswith(("{", "-----BEGIN")) and bool(value)


def _path(value: str) -> Path:
    """A path from a variable; nobody has expanded the tilde of one from a `.env` file."""
    try:
        return Path.home() / value[2:] if value.startswith("~/") else Path(value)
    except RuntimeError:  # a user id without an account, as containers have
        return Path(value)


def _resolve(reference: str, environ: Mapping[str, str], vault: Vault) -> tuple[str | None, str]:
    """The secret, and a remark for the operator."""
    kind, _, rest = reference.partition(":")
    if kind == "env":
        secret = environ.get(rest, "").strip()
        if _is_path(rest, secret):
            return _from_file(_path(secret))
        return (secret, "") if secret else (None, f"the variable {rest} is not set")
    if kind == "vault":
        return vault(rest)
    if kind != "file":
        return None, f"credentials of the kind '{kind}' cannot be read by this version"
    return _from_file(Path(rest))


def _from_file(path: Path) -> tuple[str | None, str]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > SECRET_LIMIT:
            return None, f"the credential file {path} is not a small regular file"
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        return None, f"the credential file {path} cannot be read: {reason}"
    if not secret:
        return None, f"the credential file {path} is empty"
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return secret, f"the credential file {path} is open to others: chmod 600 it"
    return secret, ""
