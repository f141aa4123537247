"""From a reference to the secret: the one place where configuration opens a key.

A missing secret is not an error here: the provider is then not usable, and says so. No
message repeats what was found.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from federation.config.settings import Loaded
from federation.errors import Problem

SECRET_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Resolved:
    """Secrets by provider id, and what was noticed about their references."""

    secrets: dict[str, str] = field(repr=False)
    warnings: tuple[Problem, ...] = ()


def resolve_credential(reference: str, environ: Mapping[str, str]) -> str | None:
    """The secret behind `env:NAME` or `file:PATH`; None where there is none to be had."""
    return _resolve(reference, environ)[0]


def resolve_all(loaded: Loaded) -> Resolved:
    """The secret of every provider that has a credential which can be read."""
    secrets: dict[str, str] = {}
    warnings: list[Problem] = []
    seen: dict[str, tuple[str | None, str]] = {}
    for provider, reference in loaded.credentials.items():
        if reference not in seen:
            seen[reference] = _resolve(reference, loaded.environ)
        secret, remark = seen[reference]
        if secret is not None:
            secrets[provider] = secret
        if remark:
            warnings.append(Problem(f"provider {provider}", None, remark))
    return Resolved(secrets, tuple(warnings))


def files(references: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that hold credentials, to be watched with the configuration."""
    paths = {ref.partition(":")[2] for ref in references.values() if ref.startswith("file:")}
    return tuple(Path(path) for path in sorted(paths))


def _resolve(reference: str, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The secret, and a remark for the operator."""
    kind, _, rest = reference.partition(":")
    if kind == "env":
        secret = environ.get(rest, "").strip()
        return (secret, "") if secret else (None, f"the variable {rest} is not set")
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
