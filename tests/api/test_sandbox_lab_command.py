"""`federation lab` as a process: what it prints, that it answers, how it ends."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import yaml
from gateway_rig import NO_TLS

from federation.cli.lab_work import page
from federation.sandbox.lab_rows import provider_rows, route_rows

COMMAND = (sys.executable, "-P", "-m", "federation.cli.main", "lab")
CALL: dict[str, Any] = {"messages": [{"role": "user", "content": "Count."}]}


@contextmanager
def lab(*options: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200", "LINES": "60"}
    process = subprocess.Popen([*COMMAND, *options], stdout=stdout, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def document(stream: io.BufferedReader) -> dict[str, Any]:
    """The JSON document that ends with a line of its own."""
    text = b""
    while not text.endswith(b"\n}\n"):
        line = stream.readline()
        assert line, text
        text += line
    found: dict[str, Any] = json.loads(text)
    return found


def test_it_prints_rows_answers_and_ends_when_told() -> None:
    with lab("--json", "--port", "0", "--pace", "0") as process:
        assert isinstance(process.stdout, io.BufferedReader)
        found = document(process.stdout)
        assert {row["id"] for row in found["providers"]} >= {"lab-openai", "lab-gemini"}
        assert found["routes"]
        row = next(row for row in found["providers"] if row["id"] == "lab-openai")
        with httpx.Client(verify=NO_TLS, trust_env=False) as http:
            url = f"{row['base_url']}/chat/completions"
            assert http.post(url, json=CALL | {"model": "lab-same"}).status_code == 200
            assert http.post(url, json=CALL | {"model": "lab-same:503"}).status_code == 503
            log = http.get(f"{found['url']}/lab/log").json()
        assert [entry["play"] for entry in log["attempts"]] == ["ok", "503"]
        assert {entry["provider"] for entry in log["attempts"]} == {"lab-openai"}
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_a_terminal_shows_each_request_as_it_comes() -> None:
    ours, theirs = pty.openpty()
    shown = bytearray()
    seen = threading.Event()

    def read() -> None:
        try:
            while data := os.read(ours, 65_536):
                shown.extend(data)
                if b"429" in shown and b"lab-other:429" in shown:
                    seen.set()
        except OSError:
            return

    with lab("--port", "0", stdout=theirs) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(200):
            found = re.search(rb"The lab listens on 127\.0\.0\.1:(\d+)", bytes(shown))
            if found is not None:
                break
            threading.Event().wait(0.05)
        assert found is not None, bytes(shown[-500:])
        with httpx.Client(verify=NO_TLS, trust_env=False) as http:
            url = f"http://127.0.0.1:{int(found[1])}/v1/chat/completions"
            assert http.post(url, json=CALL | {"model": "lab-other:429"}).status_code == 429
        assert seen.wait(10), bytes(shown[-2_000:])
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        reader.join(10)
    os.close(ours)


def test_a_taken_port_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, "--port", str(port)], capture_output=True, timeout=20, check=False
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}".encode() in done.stderr
    assert b"--port" in done.stderr


def test_what_is_printed_to_be_pasted_is_what_is_meant() -> None:
    providers, routes = provider_rows(9700, 9701), route_rows()
    assert yaml.safe_load(page(providers, routes)) == {"providers": providers, "routes": routes}
