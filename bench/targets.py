"""What is measured: how each gateway is started, found and asked.

A target is started in a session of its own and stopped with all its descendants, so that
nothing outlives the benchmark. Every target forwards to the one upstream.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import accounting
from bench.measure import Place

KEY = "sk-bench-0123456789abcdef0123456789abcdef"
PEERS = Path(__file__).resolve().parent.parent / ".peers"
CHAT = "/v1/chat/completions"
SERVE = ("-m", "federation.cli.main", "serve")


class TargetFailed(Exception):
    """A target did not start or did not answer."""


@dataclass(frozen=True)
class Launch:
    """A command line and what to set around it."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    worker_mark: str = ""
    """Part of the command line of the processes that serve requests."""


@dataclass(frozen=True)
class Target:
    """One gateway: its name in the table, how to start it, how to name the model."""

    name: str
    launch: Callable[[Path, int, int], Launch]
    """(scratch folder, own port, upstream's port)"""
    model: str = "bench-model"
    headers: dict[str, str] = field(default_factory=dict)
    path: str = CHAT


@dataclass
class Running:
    """A started target."""

    target: Target
    process: subprocess.Popen[bytes]
    port: int
    worker_mark: str
    cold_start_s: float
    log: Path

    @property
    def place(self) -> Place:
        """Where to ask it."""
        return Place(self.process.pid, self.port, self.worker_mark)

    def stop(self) -> None:
        """End the whole tree, kindly first."""
        family = [process.pid for process in accounting.tree(self.process.pid)]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


_SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_API_BASE", "_BASE_URL")


def clean_environment() -> dict[str, str]:
    """Ours without credentials and addresses: a measurement must never reach a real provider."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.endswith(_SECRETS) and not name.startswith(("FEDERATION_", "OPENAI_"))
    }


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def chat_request(
    model: str | None,
    content_bytes: int,
    *,
    stream: bool = False,
    headers: dict[str, str] | None = None,
    path: str = CHAT,
    limit: int | None = None,
) -> bytes:
    """A whole HTTP request whose JSON body is about `content_bytes` long."""
    body: dict[str, object] = {} if model is None else {"model": model}
    body["messages"] = [{"role": "system", "content": "You are a helpful assistant."}]
    if stream:
        body["stream"] = True
    if limit is not None:
        body["max_tokens"] = limit
    body["temperature"] = 0.7
    room = content_bytes - len(json.dumps(body)) - 40
    body["messages"] = [{"role": "system", "content": "You are a helpful assistant."}, *_talk(room)]
    raw = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", "content-type: application/json"]
    lines.append(f"content-length: {len(raw)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines.append(f"authorization: Bearer {KEY}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + raw


_SENTENCE = "Explain in a few words how a cache decides what it may forget, and why. "


def _talk(room: int) -> list[dict[str, str]]:
    """Messages of about `room` bytes: one question, or a conversation of 2 kB turns."""
    turns: list[dict[str, str]] = []
    while room > 0:
        size = min(room, 2000)
        text = (_SENTENCE * (size // len(_SENTENCE) + 1))[: max(16, size - 36)]
        turns.append({"role": "user" if len(turns) % 2 == 0 else "assistant", "content": text})
        room -= size
    return turns


def _ask_once(port: int, request: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.settimeout(10)
            link.sendall(request)
            return link.recv(64).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
    except OSError:
        return False


def start(target: Target, scratch: Path, upstream_port: int, patience_s: float = 60) -> Running:
    """Start the target and wait for its first good answer; the wait is its cold start."""
    folder = scratch / target.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    launch = target.launch(folder, port, upstream_port)
    log = folder / "output.log"
    request = chat_request(target.model, 1024, headers=target.headers, path=target.path)
    began = time.perf_counter()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            launch.command,
            env={**clean_environment(), **launch.environment},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
        )
    running = Running(target, process, port, launch.worker_mark, 0.0, log)
    try:
        while time.perf_counter() - began < patience_s:
            if _ask_once(port, request):
                running.cold_start_s = time.perf_counter() - began
                return running
            if process.poll() is not None:
                break
            time.sleep(0.01)
    except BaseException:
        running.stop()
        raise
    running.stop()
    tail = log.read_text(errors="replace")[-2000:]
    raise TargetFailed(f"{target.name} gave no answer; its last words:\n{tail}")


_NGINX = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_buffer_size 256k;
  client_max_body_size 32m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream provider {{
    server 127.0.0.1:{upstream};
    keepalive 512;
    keepalive_requests 1000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


def _nginx(folder: Path, port: int, upstream: int) -> Launch:
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
    binary = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin") or "nginx"
    return Launch([binary, "-c", str(config), "-e", str(folder / "error.log")], {}, "worker")


_PROVIDERS = 8
_MODELS = 5


def federation_config(folder: Path, upstream: int) -> Path:
    """Forty deployments at one upstream, so that `auto` has something to choose among."""
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    providers = []
    for number in range(_PROVIDERS):
        models = [
            {
                "id": "bench-model" if number == rank == 0 else f"model-{number}-{rank}",
                "price": {"input": f"{rank + 1}", "output": f"{4 * (rank + 1)}"},
                "context": 128000,
                "quality": {"code": 0.5 + 0.08 * rank, "default": 0.5 + 0.07 * rank},
            }
            for rank in range(_MODELS)
        ]
        providers.append(
            {
                "id": f"bench{number}",
                "dialect": "openai",
                "base_url": f"http://127.0.0.1:{upstream}/v1",
                "auth": {"scheme": "none"},
                "regions": ["eu"],
                "data_use": "none",
                "models": models,
            }
        )
    targets = ["bench0/bench-model", "bench1/model-1-0"]
    routes = [{"name": "bench", "strategy": "priority", "targets": targets}]
    # JSON is YAML: the benchmark needs no YAML writer.
    (config / "providers.yaml").write_text(json.dumps({"providers": providers}))
    (config / "federation.yaml").write_text(json.dumps({"routes": routes}))
    return config


def federation_launch(folder: Path, port: int, config: Path) -> Launch:
    """One worker over a written configuration."""
    command = [sys.executable, *SERVE, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--config", str(config), "--data", str(folder / "data")]
    return Launch(command, {"FEDERATION_ADMIN_KEY": KEY}, "bootstrap.worker")


def _federation(folder: Path, port: int, upstream: int) -> Launch:
    return federation_launch(folder, port, federation_config(folder, upstream))


_POLICY = {
    "name": "bench",
    "rules": [
        {"data_residency": ["eu"]},
        {"pii": {"action": "redact", "on_failure": "block"}},
        {"all_requests_logged": True},
        {"retention_days": 2555},
    ],
}


def _governed(folder: Path, port: int, upstream: int) -> Launch:
    """As `federation`, with a hard budget, a policy that binds everyone, and content checked."""
    config = federation_config(folder, upstream)
    plain = json.loads((config / "federation.yaml").read_text())
    settings = {**plain, "budgets": {"monthly": 1_000_000}, "governance": {"required": True}}
    (config / "federation.yaml").write_text(json.dumps(settings))
    (config / "policies").mkdir(exist_ok=True)
    (config / "policies" / "bench.yaml").write_text(json.dumps({"policy": _POLICY}))
    return federation_launch(folder, port, config)


def _litellm(folder: Path, port: int, upstream: int) -> Launch:
    config = folder / "litellm.yaml"
    config.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": "bench-model",
                        "litellm_params": {
                            "model": "openai/bench-model",
                            "api_base": f"http://127.0.0.1:{upstream}/v1",
                            "api_key": "none",
                        },
                    }
                ],
                "general_settings": {"master_key": KEY},
            }
        )
    )
    binary = PEERS / "litellm" / "bin" / "litellm"
    command = [str(binary), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    environment = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return Launch([*command, "--num_workers", "1"], environment, "litellm")


def _portkey(folder: Path, port: int, upstream: int) -> Launch:
    root = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway"
    command = ["node", str(root / "build" / "start-server.js"), f"--port={port}", "--headless"]
    return Launch(command, {"NODE_ENV": "production"}, "start-server")


NGINX = Target("nginx", _nginx)
FEDERATION = Target("federation", _federation, model="bench")
GOVERNED = Target("federation governed", _governed, model="bench")
LITELLM = Target("litellm", _litellm)


def portkey(upstream: int) -> Target:
    """Portkey is told of its provider by each request's headers."""
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
    }
    return Target("portkey", _portkey, headers=headers)


def installed_peers(upstream: int) -> list[Target]:
    """The peers that `make bench-peers` put under .peers/."""
    found = []
    if (PEERS / "litellm" / "bin" / "litellm").exists():
        found.append(LITELLM)
    if (PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway").exists():
        found.append(portkey(upstream))
    return found
