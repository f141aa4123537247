"""Proofs in files of their own: that a record is in the log, that a log only continues.

The trap: parsers of JSON differ in what they let pass. What another one would refuse, or read
otherwise, is no proof here.
"""

from __future__ import annotations

import json
import re
from typing import Any

from federation_verify import tree
from federation_verify.checkpoint import Checkpoint, read_checkpoint
from federation_verify.keyring import Keyring
from federation_verify.problem import Problem, Refused

HASH = re.compile("[0-9a-f]{64}")


def verify_proof(document: dict[str, Any], trusted: bytes) -> Problem | None:
    """What is wrong with a proof; None where it holds."""
    try:
        ring = Keyring([_line(key) for key in _list(document["keys"])], trusted)
        path = [_hash(each) for each in _list(document["path"])]
        if document["kind"] == "inclusion":
            signed = _vouched(_read(document, ring), ring)
            n = document["n"]
            if type(n) is not int:
                raise TypeError
            _included(n, document["line"].encode(), path, signed)
        elif document["kind"] == "consistency":
            first, second = _read(document, ring, "first"), _read(document, ring, "second")
            _consistent(first, _vouched(second, ring), path)
        else:
            return Problem("forged", "The file holds no kind of proof that is known.")
    except Refused as refused:
        return refused.problem
    except (KeyError, TypeError, ValueError, AttributeError):
        return Problem("forged", "The proof is not in the form of one.")
    return None


def read_proof(data: bytes) -> dict[str, Any] | None:
    """The proof in a file; None where there is none, or where it could be read in two ways."""
    try:
        document = strict(data.decode("utf-8"))
    except ValueError:
        return None
    return document if isinstance(document, dict) and "kind" in document else None


def strict(text: str) -> Any:
    """What a JSON text says. Raises `ValueError` where another parser might read it otherwise."""
    try:
        return json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _list(value: Any) -> list[Any]:
    """A list. Who goes through an object or a text would take its members for one."""
    if not isinstance(value, list):
        raise TypeError
    return value


def _line(text: str) -> bytes:
    """A signed line without its end, which it has in an export only."""
    if "\n" in text:
        raise ValueError("a line feed")
    return text.encode()


def _hash(text: str) -> bytes:
    if not HASH.fullmatch(text):
        raise ValueError("no hash")
    return bytes.fromhex(text)


def _read(document: dict[str, Any], ring: Keyring, name: str = "checkpoint") -> Checkpoint:
    return read_checkpoint(_line(document[name]), ring, "A checkpoint of the proof")


def _vouched(signed: Checkpoint, ring: Keyring) -> Checkpoint:
    if not ring.vouches(signed.key):
        raise Refused("keys", "Neither the trusted key nor one after it has signed the proof.")
    return signed


def _included(n: int, line: bytes, path: list[bytes], signed: Checkpoint) -> None:
    root = tree.root_from_inclusion(n, signed.size, tree.leaf(line), path)
    if root is None or root.hex() != signed.root:
        raise Refused("forged", f"The proof does not show that this is record {n}.", n)


def _consistent(first: Checkpoint, second: Checkpoint, path: list[bytes]) -> None:
    if first.size == second.size and first.root != second.root:
        message = f"Two signed checkpoints of {first.size} records have different roots."
        raise Refused("fork", message)
    roots = tree.roots_from_consistency(first.size, second.size, bytes.fromhex(first.root), path)
    if roots is None or [root.hex() for root in roots] != [first.root, second.root]:
        message = f"The proof does not show that checkpoint {second.n} continues {first.n}."
        raise Refused("forged", message)
