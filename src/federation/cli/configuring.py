"""The work of `federation init` and `federation config`."""

from __future__ import annotations

import os
from pathlib import Path

from federation.bootstrap.anchoring import open_anchors
from federation.catalogue import reader as catalogue
from federation.cli import output
from federation.cli.failures import CommandFailed, Exit, why
from federation.config import paths
from federation.config.credentials import resolve_all
from federation.config.load import load
from federation.config.settings import Loaded
from federation.config.templates import starter_files
from federation.control.policies_checked import check_policies
from federation.domain.catalogue import Provider


def init(path: Path, *, force: bool, as_json: bool) -> None:
    """Write the starter files; none at all where one would be overwritten, unless forced.

    What is there with the same content, such as the .env.example of a clone, is left alone.
    """
    files = {path / name: text for name, text in starter_files(catalogue.load()).items()}
    files = {file: text for file, text in files.items() if not _holds(file, text)}
    try:
        there = [str(file) for file in files if file.exists()]
    except OSError as error:
        raise _unwritable(error, path) from error
    if there and not force:
        raise CommandFailed(
            f"Nothing was written, for these are there already: {', '.join(there)}",
            hint="--force overwrites them.",
            code="exists",
        )
    for file, text in files.items():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        except OSError as error:
            raise _unwritable(error, file) from error
    if as_json:
        output.print_json({"written": [str(file) for file in files]})
        return
    for file in files:
        output.say(f"wrote {file}")
    if not files:
        output.say("Nothing was written: the starter files are there as they would be written.")
    output.note(
        "Next: copy .env.example to .env, put a provider's key in, and run `federation up`."
    )


def _unwritable(error: OSError, file: Path) -> CommandFailed:
    named = error.filename or file  # where the disk is full, the error names none
    return CommandFailed(f"{named} cannot be written: {why(error)}.", code="unwritable")


def _holds(file: Path, text: str) -> bool:
    try:
        return file.read_bytes() == text.encode()
    except OSError:
        return False


def named_directory(config: Path | None) -> Path:
    """The directory of the configuration. Raises `CommandFailed` where one was named that is
    not there: what is missing means defaults, and a slip of the pen would pass for them."""
    directory = paths.config_dir(config, os.environ)
    try:
        there = config is None or directory.is_dir()
    except OSError as error:
        raise CommandFailed(
            f"{directory} cannot be used: {why(error)}.", code="usage", exit_code=Exit.USAGE
        ) from error
    if not there:
        raise CommandFailed(
            f"{directory} is not a directory.",
            hint="`federation init` writes starter files.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    return directory


def check(config: Path | None, *, strict: bool, as_json: bool) -> None:
    """Load everything as the gateway would. Raises `ConfigError`."""
    directory = named_directory(config)
    loaded = load(directory, os.environ, catalogue.load(), paths.env_file(directory))
    check_policies(loaded.policies)
    open_anchors(loaded.evidence.anchors, paths.data_dir(None, loaded.environ), loaded.environ)
    resolved = resolve_all(loaded)
    warnings = [str(each) for each in (*loaded.warnings, *resolved.warnings)]
    usable = sorted(
        provider
        for provider in loaded.configured
        if _is_usable(loaded.providers[provider], signed=provider in resolved.secrets)
    )
    files = [str(path) for path in loaded.files if path.is_file()]
    refused = strict and bool(warnings)
    told: dict[str, object] = {
        "ok": not refused,
        "digest": loaded.digest,
        "files": files,
        "configured": sorted(loaded.configured),
        "usable": usable,
        "routes": sorted(loaded.routes),
        "warnings": warnings,
    }
    if not as_json:
        _show(loaded, files, usable)
        for warning in warnings:
            output.note(f"warning: {warning}")
    if refused:  # as JSON, the failure is the document
        message = f"There are {len(warnings)} warnings."
        raise CommandFailed(message, code="warnings", exit_code=Exit.CONFIG, details=told)
    if as_json:
        output.print_json(told)


def _is_usable(row: Provider, *, signed: bool) -> bool:
    return row.enabled and bool(row.models) and (signed or row.auth.scheme == "none")


def _show(loaded: Loaded, files: list[str], usable: list[str]) -> None:
    output.facts(
        [
            ("Configuration", "can be used"),
            ("Files", files or "none"),
            ("Providers", sorted(loaded.configured) or "none configured"),
            ("Usable", usable or "none"),
            ("Routes", sorted(loaded.routes) or "none"),
            ("Listens on", f"{loaded.server.host}:{loaded.server.port}"),
        ]
    )
