"""`federation audit receipt`: what is said of a call, and of a hash that could not be made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from federation.cli.audit_receipt import receipt
from federation.cli.failures import Exit
from federation.cli.place import Place
from federation.evidence.receipts import input_hash

SALT = bytes(32)


class Gateway:
    """A place whose gateway tells this receipt."""

    def __init__(self, **told: Any) -> None:
        self.told = {"salt": SALT.hex(), "input": "", "output": "", "unproven": {}} | told

    def gateway(self) -> Gateway:
        return self

    def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        return {"receipt": self.told}


def shown(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], *files: Path | None, as_json: bool = False
) -> tuple[Exit, str]:
    said, got = files or (None, None)
    code = receipt(cast("Place", gateway), "call_1", said, got, as_json=as_json)
    return code, capsys.readouterr().out


def test_a_hash_that_could_not_be_made_is_unproven_with_its_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"{}")
    faults = {"output": "MemoryError"}
    odd = Gateway(input=input_hash(SALT, b"{}"), unproven=faults)
    code, text = shown(odd, capsys)
    assert code is Exit.OK
    assert "unproven: the gateway could not make this hash (MemoryError)" in text
    assert "none" not in text
    code, text = shown(odd, capsys, body, body)
    assert (code, "input: this is what the record says" in text) == (Exit.FAILURE, True)
    assert "output: unproven" in text
    assert "NOT THE SAME" not in text
    code, text = shown(odd, capsys, body, body, as_json=True)
    told = json.loads(text)
    assert (told["unproven"], told["same"]) == (faults, {"input": True, "output": None})


def test_what_the_gateway_answered_by_itself_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = shown(Gateway(input="ab"), capsys)
    assert code is Exit.OK
    assert "none: the gateway answered by itself" in text
    assert "unproven" not in text
