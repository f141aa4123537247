"""The bill of materials names everything that is pinned, each by its package's address."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from federation import __version__
from federation.cli import sbom

ROOT = Path(__file__).resolve().parents[3]
PINNED = """\
--index-url https://packages.example/simple
# made by a tool
Jinja_X.y==1.2 \\
    --hash=sha256:00 \\
    --hash=sha256:01   # via fastapi
psycopg[binary]==3.3.9
uvloop==0.23.0 ; sys_platform != 'win32'
"""


def test_what_is_pinned_is_named_and_what_was_wished_for_is_told_apart() -> None:
    bill = json.loads(sbom.document("9.9", PINNED, "jinja-x-y\nUVLoop; sys_platform\n"))
    assert [each["purl"] for each in bill["components"]] == [
        "pkg:pypi/jinja-x-y@1.2",
        "pkg:pypi/psycopg@3.3.9",
        "pkg:pypi/uvloop@0.23.0",
    ]
    assert [each.get("scope") for each in bill["components"]] == [None, None, "optional"]
    whole = "pkg:pypi/federation-gateway@9.9"
    assert bill["metadata"]["component"]["purl"] == whole
    assert bill["dependencies"] == [
        {"ref": whole, "dependsOn": ["pkg:pypi/jinja-x-y@1.2", "pkg:pypi/uvloop@0.23.0"]}
    ]


@pytest.mark.parametrize("line", ["jinja2>=3", "jinja2", "jinja2 @ https://example.com/x.whl"])
def test_a_line_that_pins_nothing_is_no_bill(line: str) -> None:
    with pytest.raises(ValueError, match="pins no version"):
        sbom.document("1", line, "")


def test_the_bill_that_is_shipped_is_of_the_requirements_that_are() -> None:
    pinned, wished = (
        (ROOT / "requirements" / name).read_text("utf-8") for name in ("runtime.txt", "runtime.in")
    )
    shipped = (ROOT / "deploy" / "sbom.cdx.json").read_text("utf-8")
    assert shipped == sbom.document(__version__, pinned, wished)
    lines = [line for line in pinned.splitlines() if "==" in line]
    assert all(line.endswith(" \\") for line in lines), "what is installed has a hash"
    assert len(json.loads(shipped)["components"]) == len(lines) > 30
