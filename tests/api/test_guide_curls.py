"""What README and docs say to ask the management API by curl, asked as it is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from control_plane import ADMIN
from tenancy_rig import Rig, started

from federation.gateway.passing import is_passed

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KEYS = ("$FEDERATION_API_KEY", "$KEY", "$(cat data/admin.key)")
ANSWERS = {"/auth/refresh": 401, "/admin/overflow_provider": 404}
"""Those that name what only the reader has. A call that is not there is a 404 as well."""


class Curl:
    """A curl line, taken apart as curl would: without a kind, data is a form."""

    def __init__(self, line: str) -> None:
        for key in KEYS:
            line = line.replace(key, ADMIN)
        words = shlex.split(line.replace("\\\n", " "))
        assert words.pop(0) == "curl"
        self.method, self.body = "GET", None
        self.headers: dict[str, str] = {}
        while words:
            word = words.pop(0)
            if word == "-H":
                name, _, value = words.pop(0).partition(": ")
                self.headers[name.lower()] = value
            elif word == "-d":
                self.method, self.body = "POST", words.pop(0)
                self.headers.setdefault("content-type", "application/x-www-form-urlencoded")
            elif word == "-X":
                self.method = words.pop(0)
            elif not word.startswith("-"):
                self.target = word.removeprefix("http://127.0.0.1:8000").removeprefix("$URL")
        self.path = self.target.partition("?")[0]


def printed(page: Path) -> list[str]:
    """The curl lines of a page, each with the lines that it goes on in."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    found = []
    for block in blocks:
        for start in re.finditer(r"^(?:\$ )?(?=curl )", block, re.MULTILINE):
            line, *more = block[start.end() :].splitlines(keepends=True)
            while line.endswith("\\\n") or line.count("'") % 2:
                line += more.pop(0)
            found.append(line.strip())
    return found


LINES = [line for page in PAGES for line in printed(page)]
OURS = [line for line in LINES if is_passed(Curl(line).path)]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = await started(tmp_path)
    await made.ask("POST", "/v1/admin/tenants", json={"id": "acme"})
    yield made
    await made.client.aclose()


@pytest.mark.parametrize("line", OURS, ids=[Curl(line).path for line in OURS])
async def test_an_example_is_understood_as_it_is_printed(rig: Rig, line: str) -> None:
    curl = Curl(line)
    reply = await rig.client.request(
        curl.method, curl.target, headers=curl.headers, content=curl.body
    )
    expected = 404 if curl.path.startswith("/v1/calls/") else ANSWERS.get(curl.path)
    understood = reply.is_success if expected is None else reply.status_code == expected
    assert understood, reply.text


def test_every_body_is_sent_as_json() -> None:
    bodies = [curl for curl in map(Curl, LINES) if curl.body is not None]
    assert len(bodies) > 10
    assert {curl.headers["content-type"] for curl in bodies} == {"application/json"}
    assert "/v1/admin/limits" in {Curl(line).path for line in OURS}
