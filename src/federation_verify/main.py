"""`federation-verify`: judges exports or a proof, offline, with a public key.

Give the exports of all replicas together: each holds checkpoints of the others, so that one that
was left out, cut short or replaced shows.

Exit codes: 0 everything holds, 1 something does not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from federation_verify.log import Log
from federation_verify.problem import Problem
from federation_verify.proof import read_proof, verify_proof
from federation_verify.web import Web

NAMES = ("keys.jsonl", "checkpoints.jsonl", "entries.jsonl")
PROOF_BYTES = 16 * 1024 * 1024


class Unusable(Exception):
    """What was given cannot be read at all."""


def main(argv: Sequence[str] | None = None) -> int:
    """Verify what the command line names; the exit code."""
    parser = argparse.ArgumentParser(prog="federation-verify", description=__doc__)
    parser.add_argument(
        "export",
        type=Path,
        nargs="+",
        help="exports (directories or .tar), a directory of exports, or a proof",
    )
    parser.add_argument(
        "--key",
        required=True,
        action="append",
        help="a trusted public key: a file or 64 digits; repeat",
    )
    parser.add_argument(
        "--anchor", type=Path, action="append", default=[], help="checkpoints kept elsewhere"
    )
    parser.add_argument(
        "--alone", action="store_true", help="judge one log, whatever it says of others"
    )
    given = parser.parse_args(argv)
    try:
        trusted = [_key(key) for key in given.key]
        first = given.export[0]
        if len(given.export) == 1 and first.is_file() and first.suffix != ".tar":
            return _judge_proof(first, trusted[0])
        exports = list(dict.fromkeys(each for path in given.export for each in _exports(path)))
        if not given.alone:
            return _judge_logs(exports, trusted, given.anchor)
        if len(exports) > 1 or len(trusted) > 1:
            raise Unusable("--alone is for one export and one key")
        return _judge_log(exports[0], trusted[0], given.anchor)
    except Unusable as unusable:
        print(f"federation-verify: {unusable}", file=sys.stderr)
        return 2


def _judge_log(path: Path, trusted: bytes, anchors: Sequence[Path]) -> int:
    kept = [line for anchor in anchors for line in _anchored(anchor)]
    log = Log()
    with ExitStack() as stack:
        keys, checkpoints, entries = _opened(path, stack)
        problems = log.verify(trusted, keys, checkpoints, entries, kept)
    if not problems:
        print(_good(log))
    return _say(problems)


def _judge_logs(paths: Sequence[Path], trusted: Sequence[bytes], anchors: Sequence[Path]) -> int:
    kept = [line for anchor in anchors for line in _anchored(anchor)]
    web = Web(trusted)
    for path in paths:
        with ExitStack() as stack:
            web.add(str(path), _opened(path, stack)[0])
    for path, member in zip(paths, web.members, strict=True):
        with ExitStack() as stack:
            _, checkpoints, entries = _opened(path, stack)
            web.read(member, checkpoints, entries, kept)
    web.compare()
    found = [(each.name, problem) for each in web.members for problem in each.log.problems]
    found += web.problems
    several = len(paths) > 1
    for member in [] if found else web.members:
        print(f"{member.name}: {_good(member.log)}" if several else _good(member.log))
    if several and not found:
        print(f"verified: {len(paths)} logs as one")
    code = 0
    for name, problem in found:
        code = _say([problem], f"{name}: " if several and name else "")
    return code


def _good(log: Log) -> str:
    return f"verified: {log.records} records, {log.checkpoints} checkpoints, root {log.root}"


def _judge_proof(path: Path, trusted: bytes) -> int:
    document = read_proof(path.read_bytes()) if path.stat().st_size <= PROOF_BYTES else None
    if document is None:
        raise Unusable(f"{path} is neither an export nor a proof")
    problem = verify_proof(document, trusted)
    if problem is None:
        print(f"verified: the {document['kind']} proof holds")
    return _say([problem] if problem else [])


def _say(problems: Sequence[Problem], name: str = "") -> int:
    for problem in problems:
        where = "" if problem.record is None else f" (record {problem.record})"
        print(f"{name}NOT VERIFIED [{problem.kind}]{where}: {problem.message}")
    return 1 if problems else 0


def _exports(path: Path) -> list[Path]:
    """The export at a path, or those that lie in the directory there."""
    if not path.is_dir() or (path / NAMES[0]).exists():
        return [path]
    found = [
        each for each in path.iterdir() if each.suffix == ".tar" or (each / NAMES[0]).is_file()
    ]
    return sorted(found) or [path]


def _opened(path: Path, stack: ExitStack) -> list[IO[bytes]]:
    try:
        if path.is_dir():
            return [stack.enter_context((path / name).open("rb")) for name in NAMES]
        tar = stack.enter_context(tarfile.open(path, "r:"))  # noqa: SIM115 - it is one
        found = [tar.extractfile(name) for name in NAMES]
    except (OSError, KeyError, tarfile.TarError) as error:
        raise Unusable(f"{path} is no export: {error}") from None
    files = [file for file in found if file is not None]
    if len(files) != len(NAMES):
        raise Unusable(f"{path} is no export: a file of it is none")
    return files


def _anchored(path: Path) -> list[bytes]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error}") from None
    starts = ((line, line.find(b'{"body":')) for line in lines)
    return [line[start:] for line, start in starts if start >= 0]


def _key(given: str) -> bytes:
    text = given
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        try:
            text = Path(given).read_text("ascii").strip()
        except (OSError, ValueError):
            text = ""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise Unusable(f"'{given}' is no public key: 64 hex digits, or a file with them")
    return bytes.fromhex(text)


if __name__ == "__main__":
    sys.exit(main())
