"""Receipts: whether a content is what the proven record of a call says.

The trap: a proof whose record was made anew would prove anything, so this is asked of a proof that
was verified.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from federation_verify.problem import Problem
from federation_verify.proof import strict

SIDES = ("input", "output")


def contradicts(document: dict[str, Any], side: str, salt: bytes, content: bytes) -> Problem | None:
    """What is wrong with a content of this side of the call; None where it is the one."""
    try:
        record = strict(document["line"])["record"]
        told, unproven = record.get(side, ""), record.get("unproven", {})
        fault = unproven.get(side) if not told else None
    except (KeyError, TypeError, ValueError, AttributeError):
        told, fault = "", None
    if isinstance(fault, str):
        return Problem("unproven", f"The gateway could make no hash of the {side} ({fault}).")
    if not isinstance(told, str) or not told:
        return Problem("content", f"The proven record says nothing of an {side}.")
    found = hashlib.sha256(b"federation/%b/1\n" % side.encode() + salt + content).hexdigest()
    if hmac.compare_digest(found, told):
        return None
    return Problem("content", f"This is not the {side} that the record is about.")
