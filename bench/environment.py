"""Which machine and which versions a measurement belongs to."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import time
from importlib import metadata
from pathlib import Path

_QUIET = 0.7
_PACKAGES = ("uvloop", "httptools", "msgspec")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def _said(command: list[str], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return "absent"
    match = re.search(pattern, done.stdout + done.stderr)
    return match.group(1) if match else "unknown"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def busy() -> str:
    """A warning where others use this machine; empty on a quiet one."""
    load = os.getloadavg()[0]
    if load < _QUIET:
        return ""
    return (
        f"the machine was busy (load {load:.1f} on {os.cpu_count()} processors) at the start: "
        "CPU figures are too high, an interpreter's more than nginx's"
    )


def python_work_us() -> float:
    """CPU time of a fixed piece of Python work, the median of eleven.

    Two processors are often two threads of one core: a busy neighbor then makes the same work
    cost up to twice as much. Compare this figure between runs before comparing anything else.
    """
    body = {"model": "x", "messages": [{"role": "user", "content": "hello " * 200}]}
    found = []
    for _ in range(11):
        before = time.process_time()
        for _ in range(200):
            json.loads(json.dumps(body))
            sum(number * number for number in range(100))
        found.append((time.process_time() - before) * 1e6 / 200)
        time.sleep(0.05)
    return round(statistics.median(found), 1)


def describe() -> dict[str, str]:
    """Machine and versions, without names of hosts or people."""
    return {
        "cpu": f"{_cpu()} x {os.cpu_count()}",
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "python built by": f"{platform.python_compiler()}, {' '.join(platform.python_build())}",
        "nginx": _said(["nginx", "-v"], r"nginx/([\d.]+)"),
        "wrk": _said(["wrk", "-v"], r"wrk (?:debian/)?([\d.]+)"),
        "federation": _version("federation-gateway"),
        **{name: _version(name) for name in _PACKAGES},
    }
