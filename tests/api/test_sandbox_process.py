from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def sandbox(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "federation.bootstrap.sandbox", "--time-scale=0.01", *options],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()


def ask(port: int, body: dict[str, Any] | None, path: str = "/v1/chat/completions") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    return urllib.request.urlopen(request, timeout=10)


def test_the_process_serves_every_provider_on_a_port_of_its_own() -> None:
    with sandbox() as (_, ready):
        assert len(set(ready["ports"].values())) == len(ready["rows"]) >= 4
        for row in ready["rows"]:
            port = ready["ports"][row["id"]]
            assert row["base_url"].startswith(f"http://127.0.0.1:{port}/v1")
            base = row["base_url"].removeprefix(f"http://127.0.0.1:{port}")
            with ask(port, None, f"{base}/models") as reply:
                assert reply.headers["x-federation-simulated"] == "true"
                listed = json.load(reply)
            names = [model["id"] for model in listed.get("data", [])] or [
                model["name"].removeprefix("models/") for model in listed["models"]
            ]
            assert names == [model["id"] for model in row["models"]]
        body = {"model": "sim-atlas-mini", "messages": [{"role": "user", "content": "hi"}]}
        with ask(ready["ports"]["sim-atlas"], {**body, "stream": True}) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert reply.read().endswith(b"data: [DONE]\n\n")


def test_a_provider_answers_in_its_own_dialect_and_in_no_other() -> None:
    with sandbox() as (_, ready):
        ports, talk = ready["ports"], [{"role": "user", "content": "hi"}]
        body = {"model": "sim-boreal-lite", "max_tokens": 50, "messages": talk}
        with ask(ports["sim-boreal"], body, "/v1/messages") as reply:
            assert reply.headers["x-federation-simulated"] == "true"
            assert json.load(reply)["content"][0]["text"].startswith("(Simulated answer")
        with ask(ports["sim-boreal"], {**body, "stream": True}, "/v1/messages") as reply:
            assert b"event: message_stop" in reply.read()
        given = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        path = "/v1beta/models/sim-lotus-max:generateContent"
        with ask(ports["sim-lotus"], given, path) as reply:
            (candidate,) = json.load(reply)["candidates"]
            assert candidate["content"]["parts"][0]["text"].startswith("(Simulated answer")
        with pytest.raises(urllib.error.HTTPError) as raised:
            ask(ports["sim-boreal"], body, "/v1/chat/completions")
        with raised.value as refused:
            assert refused.code == 404
            assert refused.headers["x-federation-simulated"] == "true"
            said = json.load(refused)
        assert said["type"] == "error"
        assert said["error"]["type"] == "not_found_error"
        assert said["error"]["message"].startswith("(simulated)")


def test_errors_come_in_openai_shape_and_marked() -> None:
    with sandbox() as (_, ready):
        port = ready["ports"]["sim-atlas"]
        body = {"model": "sim-atlas-mini:limited", "messages": [{"role": "user", "content": "x"}]}
        with pytest.raises(urllib.error.HTTPError) as raised:
            ask(port, body)
        with raised.value as reply:
            assert reply.code == 429
            assert reply.headers["retry-after"] == "2"
            assert reply.headers["x-federation-simulated"] == "true"
            assert json.load(reply)["error"]["type"] == "rate_limit_error"


def test_a_cut_stream_ends_without_its_last_chunk() -> None:
    with sandbox() as (_, ready):
        talk = [{"role": "user", "content": "x"}]
        asked = {"model": "sim-atlas-mini:cut", "stream": True, "messages": talk}
        body = json.dumps(asked).encode()
        with socket.create_connection(("127.0.0.1", ready["ports"]["sim-atlas"]), 10) as link:
            link.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            got = b""
            while piece := link.recv(65536):
                got += piece
        assert b"data: {" in got
        assert not got.endswith(b"0\r\n\r\n")


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "federation.bootstrap.sandbox", f"--port-base={port}"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port-base" in done.stderr


def test_the_process_ends_with_its_lifeline() -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "federation.bootstrap.sandbox", f"--lifeline={reading}"],
        stdout=subprocess.PIPE,
        pass_fds=(reading,),
    )
    os.close(reading)
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["ports"]
        os.close(writing)
        assert process.wait(10) == 0
    finally:
        process.stdout.close()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_it_ends_quietly_where_nobody_waits_for_it_any_more() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "federation.bootstrap.sandbox", f"--ready-fd={writing}"]
    try:
        ended = subprocess.run(
            command, check=False, pass_fds=(writing,), capture_output=True, timeout=30
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, b"")
