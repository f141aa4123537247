"""Reads config/policies/*.yaml: what may go where, by the operator's word.

The trap: a policy that is not read protects nobody, in silence. So a file under another name
than *.yaml, an empty one, a directory that cannot be listed and a repeated name are problems
like a misspelled key, and a configuration with a problem is not loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from federation.config import document
from federation.config.document import Document, Path_
from federation.config.nearest import unknown_word
from federation.config.policies_build import rules_of
from federation.config.policies_names import Names
from federation.config.policies_packs import pack_names, pack_rules
from federation.config.policies_rows import AttachRow, PolicyFile, PolicyRow
from federation.config.problems import translate
from federation.domain.catalogue import Provider
from federation.domain.policies import AnyRule, Attachment, Policy, digest_of
from federation.errors import Problem

DIRECTORY = "policies"
TESTS = "tests"
"""Below the directory of policies: files of policy tests, which bind nobody."""
TEXT = "proposal"
"""What stands for the file where there is none."""
_SUFFIXES = (".yaml", ".yml", ".json")


def sources(config_dir: Path) -> list[Path]:
    """The files of policies, in name order. Never raises: `read` says what is wrong."""
    return _listed(config_dir / DIRECTORY, [])


def watched(config_dir: Path) -> list[Path]:
    """Whatever lies there that is read, or whose name `read` refuses. Never raises."""
    try:
        entries = sorted((config_dir / DIRECTORY).iterdir())
    except OSError:
        return []
    return [entry for entry in entries if entry.suffix.lower() in _SUFFIXES]


def read(
    config_dir: Path,
    providers: Mapping[str, Provider],
    routes: Collection[str],
    problems: list[Problem],
) -> tuple[Policy, ...]:
    """Every policy of a configuration, with digests; what is wrong is added to `problems`.

    Conditions are only kept: whoever compiles them names the file and line of a broken one.
    """
    paths = _listed(config_dir / DIRECTORY, problems)
    return read_files(paths, Names(providers, routes), problems)


def read_files(paths: list[Path], names: Names, problems: list[Problem]) -> tuple[Policy, ...]:
    """The policies of these files."""
    found, seen = [], dict[str, str]()
    for path in paths:
        where = document.read(path, str(path))
        problems += where.problems
        if where.problems:
            continue
        for row, at in _rows(where, problems):
            place = where.place(at)
            if row.name in seen:
                message = f"the policy '{row.name}' was already given at {seen[row.name]}"
                problems.append(where.problem((*at, "name"), message))
                continue
            seen[row.name] = f"{place.where}:{place.line}"
            found.append(_policy(row, at, where, names, problems))
    return tuple(found)


def read_text(text: str, names: Names, problems: list[Problem]) -> tuple[Policy, ...]:
    """The policies of a text that was sent instead of put into a file; none of an empty one."""
    where = document.parse(text.encode(), TEXT)
    problems += where.problems
    if where.problems or where.value is None:
        return ()
    return tuple(_policy(row, at, where, names, problems) for row, at in _rows(where, problems))


def none_in(config_dir: Path) -> str:
    """What is said where policies are required and nobody wrote one."""
    return f"policies are required, and there is none in {config_dir / DIRECTORY}"


def _listed(directory: Path, problems: list[Problem]) -> list[Path]:
    try:
        entries = sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(Problem(str(directory), None, f"cannot be listed: {error.strerror}"))
        return []
    for entry in entries:
        if entry.is_dir() and entry.name != TESTS and not entry.name.startswith("."):
            message = f"is not read: policies stand in '{directory}' itself, tests in '{TESTS}'"
            problems.append(Problem(str(entry), None, message))
        elif entry.suffix.lower() in _SUFFIXES and entry.suffix != ".yaml":
            problems.append(Problem(str(entry), None, "is not read: name it *.yaml"))
    return [entry for entry in entries if entry.suffix == ".yaml" and not entry.is_dir()]


def _rows(where: Document, problems: list[Problem]) -> list[tuple[PolicyRow, Path_]]:
    if where.value is None:
        problems.append(where.problem((), "holds no policy: write one, or remove the file"))
        return []
    try:
        whole = PolicyFile.model_validate(where.value)
    except ValidationError as error:
        problems += translate(error, PolicyFile, where, ())
        return []
    rows: list[tuple[PolicyRow, Path_]] = []
    if whole.policy is not None:
        rows.append((whole.policy, ("policy",)))
    rows += [(row, ("policies", at)) for at, row in enumerate(whole.policies)]
    if not rows:
        problems.append(where.problem((), "holds no policy: write one, or remove the file"))
    return rows


def _policy(
    row: PolicyRow, at: Path_, where: Document, names: Names, problems: list[Problem]
) -> Policy:
    rules: list[AnyRule] = []
    for index, pack in enumerate(row.packs):
        if pack in pack_names():
            rules += pack_rules(pack)
        else:
            message = unknown_word("pack", pack, pack_names())
            problems.append(where.problem((*at, "packs", index), message))
    for index, written in enumerate(row.rules):
        path: Path_ = (*at, "rules", index)
        place = where.place(path)
        for key, fault in names.faults(written):
            problems.append(where.problem((*path, key), fault))
        rules += rules_of(written, place.where, place.line)
    for index, route in enumerate(row.attach.routes if row.attach is not None else ()):
        if (unknown := names.unknown_route(route)) is not None:
            message = f"'attach.routes' names an {unknown}"
            problems.append(where.problem((*at, "attach", "routes", index), message))
    policy = Policy(
        name=row.name,
        rules=tuple(rules),
        mode=row.mode,
        version=row.version,
        attach=attachment(row.attach),
        description=row.description,
        packs=row.packs,
    )
    return replace(policy, digest=digest_of(policy))


def attachment(row: AttachRow | None) -> Attachment:
    """Who must obey."""
    return Attachment() if row is None else Attachment(**row.model_dump())
