"""`federation-verify`: judges an export or a proof, offline, with a public key.

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

NAMES = ("keys.jsonl", "checkpoints.jsonl", "entries.jsonl")
PROOF_BYTES = 16 * 1024 * 1024


class Unusable(Exception):
    """What was given cannot be read at all."""


def main(argv: Sequence[str] | None = None) -> int:
    """Verify what the command line names; the exit code."""
    parser = argparse.ArgumentParser(prog="federation-verify", description=__doc__)
    parser.add_argument("export", type=Path, help="an export (directory or .tar) or a proof")
    parser.add_argument("--key", required=True, help="the trusted public key: a file or 64 digits")
    parser.add_argument(
        "--anchor", type=Path, action="append", default=[], help="checkpoints kept elsewhere"
    )
    given = parser.parse_args(argv)
    try:
        trusted = _key(given.key)
        if given.export.is_file() and given.export.suffix != ".tar":
            return _judge_proof(given.export, trusted)
        return _judge_log(given.export, trusted, given.anchor)
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
        print(f"verified: {log.records} records, {log.checkpoints} checkpoints, root {log.root}")
    return _say(problems)


def _judge_proof(path: Path, trusted: bytes) -> int:
    document = read_proof(path.read_bytes()) if path.stat().st_size <= PROOF_BYTES else None
    if document is None:
        raise Unusable(f"{path} is neither an export nor a proof")
    problem = verify_proof(document, trusted)
    if problem is None:
        print(f"verified: the {document['kind']} proof holds")
    return _say([problem] if problem else [])


def _say(problems: Sequence[Problem]) -> int:
    for problem in problems:
        where = "" if problem.record is None else f" (record {problem.record})"
        print(f"NOT VERIFIED [{problem.kind}]{where}: {problem.message}")
    return 1 if problems else 0


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
