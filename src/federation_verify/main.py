"""`federation-verify`: judges exports or a proof, offline, with a public key.

Give the exports of all replicas together: each holds checkpoints of the others, so that one that
was left out, cut short or replaced shows.

Exit codes: 0 everything holds, 1 something does not, 2 wrong usage, or no export at all.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import sys
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from federation_verify.anchors import Anchors
from federation_verify.log import Log
from federation_verify.problem import Problem, Unusable, shown
from federation_verify.proof import read_proof, verify_proof
from federation_verify.receipt import SIDES, contradicts
from federation_verify.web import Web

NAMES = ("keys.jsonl", "checkpoints.jsonl", "entries.jsonl")
PROOF_BYTES = 16 * 1024 * 1024
HINTS = {
    "missing": "give the exports of all replicas; --alone judges one by itself",
    "rolled_back": "exports taken while replicas ran? give the time at which the first was begun "
    "as --through",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Verify what the command line names; the exit code."""
    parser = argparse.ArgumentParser(prog="federation-verify", description=__doc__)
    parser.add_argument(
        "export",
        type=_path,
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
    parser.add_argument(
        "--through",
        metavar="TIME",
        help="for exports of replicas that run: when the first was begun, ISO 8601 (UTC) or Unix "
        "milliseconds; what others saw later is set aside",
    )
    parser.add_argument("--only-keys", action="store_true", help="each log needs a key of its own")
    parser.add_argument("--salt", help="with the proof of a call: that of its receipt, 64 digits")
    parser.add_argument(
        "--input", type=Path, help="the body that the client sent, to be held against the proof"
    )
    parser.add_argument("--output", type=Path, help="the body that the client got")
    given = parser.parse_args(argv)
    try:
        return _judge(given)
    except Unusable as unusable:
        print(f"federation-verify: {unusable}", file=sys.stderr)
    except (OSError, tarfile.TarError) as error:
        print(f"federation-verify: an export cannot be read: {error}", file=sys.stderr)
    return 2


def _judge(given: argparse.Namespace) -> int:
    trusted = [_key(key) for key in given.key]
    through = None if given.through is None else _moment(given.through)
    first = given.export[0]
    if len(given.export) == 1 and first.is_file() and first.suffix != ".tar":
        loose = given.alone or given.only_keys or given.anchor or len(trusted) > 1
        if loose or through is not None:
            raise Unusable(
                "--alone, --anchor, --only-keys, --through and several keys are for exports"
            )
        return _judge_proof(first, trusted[0], given)
    if given.salt or given.input or given.output:
        raise Unusable("--salt, --input and --output are for the proof of a call")
    found: dict[str, Path] = {}
    for each in (each for path in given.export for each in _exports(path)):
        found.setdefault(os.path.realpath(each), each)
    exports = list(found.values())
    anchors = Anchors().read(given.anchor)
    if not given.alone:
        return _judge_logs(exports, Web(trusted, through, given.only_keys), anchors)
    if len(exports) > 1 or len(trusted) > 1 or given.only_keys:
        raise Unusable("--alone is for one export and one key")
    return _judge_log(exports[0], trusted[0], anchors, through)


def _judge_log(path: Path, trusted: bytes, anchors: Anchors, through: int | None) -> int:
    log = Log(through=through)
    with ExitStack() as stack:
        keys, checkpoints, entries = _opened(path, stack)
        problems = log.verify(trusted, keys, checkpoints, entries, anchors.lines)
    problems += anchors.problems
    if not problems:
        _check_judged([log], through, anchors)
        print(_good(log))
        _say_set_aside(through)
    _say_strange(anchors)
    return _say(problems)


def _judge_logs(paths: Sequence[Path], web: Web, anchors: Anchors) -> int:
    for path in paths:
        with ExitStack() as stack:
            web.add(shown(path), _opened(path, stack)[0])
    for path, member in zip(paths, web.members, strict=True):
        with ExitStack() as stack:
            _, checkpoints, entries = _opened(path, stack)
            web.read(member, checkpoints, entries, anchors.lines)
    web.compare()
    found = [(each.name, problem) for each in web.members for problem in each.log.problems]
    found += [*web.problems, *(("", problem) for problem in anchors.problems)]
    several = len(paths) > 1
    code = 0
    for name, problem in found:
        code = _say([problem], f"{name}: " if several and name else "")
    for kind in sorted({problem.kind for _, problem in found} & HINTS.keys()):
        if kind != "rolled_back" or web.through is None:
            print(f"hint: {HINTS[kind]}")
    if not found:
        _check_judged([each.log for each in web.members], web.through, anchors)
        _say_all(web)
    _say_strange(anchors)
    return code


def _check_judged(logs: Sequence[Log], through: int | None, anchors: Anchors) -> None:
    """Raise `Unusable` where good logs were held against nothing: `--through` set it all aside."""
    if through is None:
        return
    if through < min(log.first_ms for log in logs):
        raise Unusable("--through is before the first checkpoint: it would set everything aside")
    if anchors.lines and not any(log.anchors for log in logs):
        raise Unusable("no anchor says anything: all are later than --through")


def _say_set_aside(through: int | None) -> None:
    if through is not None:
        print(f"what others saw after {datetime.fromtimestamp(through / 1000, UTC)} set aside")


def _say_strange(anchors: Anchors) -> None:
    for name, count in anchors.strange.items():
        print(f"{name}: {count} lines are no anchors")


def _say_all(web: Web) -> None:
    several = len(web.members) > 1
    for member in web.members:
        print(f"{member.name}: {_good(member.log)}" if several else _good(member.log))
        print(f"  log {member.ring.log if member.ring else ''}")
    _say_set_aside(web.through)
    if web.beside:
        print(f"witnessed, with a key that was not given: {', '.join(web.beside)}")
    if several:
        print(f"verified: {len(web.members)} logs as one")


def _moment(given: str) -> int:
    if re.fullmatch("[0-9]{12,14}", given):
        return int(given)
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise Unusable(f"'{given}' is no time: write 2026-01-31T12:00:00Z") from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _good(log: Log) -> str:
    more = f", {log.anchors} anchors" if log.anchors else ""
    more += f", {log.set_aside} later ones set aside" if log.set_aside else ""
    what = f"{log.records} records, {log.checkpoints} checkpoints{more}"
    return f"verified: {what}, root {log.root}"


def _judge_proof(path: Path, trusted: bytes, given: argparse.Namespace) -> int:
    document = read_proof(path.read_bytes()) if path.stat().st_size <= PROOF_BYTES else None
    if document is None:
        raise Unusable(f"{shown(path)} is neither an export nor a proof")
    problem = verify_proof(document, trusted)
    if problem is None:
        problem = _judge_contents(document, given)
    if problem is None:
        print(f"verified: the {document['kind']} proof holds")
    return _say([problem] if problem else [])


def _judge_contents(document: dict[str, Any], given: argparse.Namespace) -> Problem | None:
    """What of the files that were given is not what a proven call said or got."""
    files = {name: path for name in SIDES if (path := getattr(given, name)) is not None}
    if (given.salt is None) != (not files):
        raise Unusable("--salt goes with --input, --output or both")
    if not files:
        return None
    if not re.fullmatch(r"[0-9a-f]{64}", given.salt):
        raise Unusable("--salt is 64 hex digits")
    salt = bytes.fromhex(given.salt)
    for name, path in files.items():
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Unusable(f"{shown(path)} cannot be read: {error.strerror}") from None
        problem = contradicts(document, name, salt, content)
        if problem is not None:
            return problem
        print(f"{name}: {shown(path)} is what the record says")
    return None


def _say(problems: Sequence[Problem], name: str = "") -> int:
    for problem in problems:
        where = "" if problem.record is None else f" (record {problem.record})"
        print(f"{name}NOT VERIFIED [{problem.kind}]{where}: {problem.message}")
    return 1 if problems else 0


def _exports(path: Path) -> list[Path]:
    """The export at a path, or those that lie in the directory there."""
    if not path.is_dir() or (path / NAMES[0]).exists():
        return [path]
    # One that lacks a file is among them: it must be refused, not passed over.
    found = [
        each
        for each in path.iterdir()
        if each.suffix == ".tar" or any((each / name).exists() for name in NAMES)
    ]
    return sorted(found) or [path]


def _opened(path: Path, stack: ExitStack) -> list[IO[bytes]]:
    try:
        if path.is_dir():
            return [stack.enter_context((path / name).open("rb")) for name in NAMES]
        tar = stack.enter_context(tarfile.open(path, "r:"))  # noqa: SIM115 - it is one
        found = [_in_tar(tar, name) for name in NAMES]
    except (OSError, KeyError, tarfile.TarError) as error:
        raise Unusable(f"{shown(path)} is no export: {error}") from None
    files = [file for file in found if file is not None]
    if len(files) != len(NAMES):
        raise Unusable(f"{shown(path)} is no export: a file of it is none")
    return files


def _in_tar(tar: tarfile.TarFile, name: str) -> IO[bytes] | None:
    """A file at the root of a tar; who packs a directory has `./` before its name. Of two that are
    called the same the last counts, as for who unpacks them. Whoever unpacks `/keys.jsonl` or what
    lies behind a link may get another file than is read here: such a tar is no export."""
    at = [(posixpath.normpath("/" + each.name.lstrip("/")), each) for each in tar]
    called = [each for place, each in at if each.issym() or place == f"/{name}"]
    if not called:
        raise FileNotFoundError(f"{name} is not in it")
    if not all(each.isreg() and each.name in (name, f"./{name}") for each in called):
        raise FileNotFoundError(f"{name} is in it as a link, or by another name")
    return tar.extractfile(called[-1])


def _path(given: str) -> Path:
    """A path. Nothing at all would be the current directory, and whatever lies there."""
    if not given:
        raise argparse.ArgumentTypeError("it is empty")
    return Path(given)


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
