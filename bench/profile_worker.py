"""`make profile`: where a worker spends its CPU time, function by function.

The whole service is started as it always is; only the worker finds `bench/profiling` on its
path and samples itself. Sampling costs some per cent: compare shares, not times.

    python -m bench.profile_worker [--kind route|auto|large|stream] [--seconds N] [--cprofile]
"""

from __future__ import annotations

import argparse
import pstats
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

from bench import measure, targets
from bench.run import upstream

_HERE = Path(__file__).resolve().parent
_KINDS = {
    "route": ("bench", 1024, False),
    "auto": ("auto", 1024, False),
    "large": ("bench", 100_000, False),
    "stream": ("bench", 1024, True),
}


def _profiled(target: targets.Target, out: Path, mode: str) -> targets.Target:
    def launch(folder: Path, port: int, upstream_port: int) -> targets.Launch:
        plain = target.launch(folder, port, upstream_port)
        more = {"PYTHONPATH": str(_HERE / "profiling"), "PROFILE_OUT": str(out)}
        more["PROFILE_MODE"] = mode
        return replace(plain, environment={**plain.environment, **more})

    return replace(target, launch=launch)


def _shares(lines: list[str]) -> tuple[Counter[str], Counter[str], int]:
    """Samples by innermost function, and by every function on the stack."""
    own: Counter[str] = Counter()
    with_callees: Counter[str] = Counter()
    total = 0
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if "importlib._bootstrap" in stack:
            continue
        frames = stack.split(";")
        total += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            with_callees[frame] += int(count)
    return own, with_callees, total


def _print_table(title: str, counts: Counter[str], total: int, top: int) -> None:
    print(f"\n{title} ({total} samples)")
    for name, count in counts.most_common(top):
        print(f"{count / max(1, total):7.1%}  {name}")


def _report(files: list[Path], mode: str, top: int) -> None:
    if not files:
        print("the worker left no profile: it must end by itself (SIGTERM), not be killed")
        return
    if mode == "cprofile":
        stats = pstats.Stats(*(str(file) for file in files))
        stats.sort_stats("tottime").print_stats(top)
        return
    lines = [line for file in files for line in file.read_text().splitlines()]
    own, with_callees, total = _shares(lines)
    _print_table("own time", own, total, top)
    _print_table("with callees", with_callees, total, top)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=sorted(_KINDS), default="route")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--top", type=int, default=40)
    parser.add_argument("--cprofile", action="store_true")
    args = parser.parse_args()
    mode = "cprofile" if args.cprofile else "sample"
    model, size, stream = _KINDS[args.kind]
    scratch = Path(tempfile.mkdtemp(prefix="federation-profile-"))
    request = scratch / "request"
    request.write_bytes(targets.chat_request(model, size, stream=stream))
    try:
        with upstream() as (_, port):
            target = _profiled(targets.FEDERATION, scratch / "profile", mode)
            running = targets.start(target, scratch, port)
            try:
                if stream:
                    held = measure.streams(running.place, request, 128, args.seconds, 64)
                    print(held)
                else:
                    print(measure.whole(running.place, request, 32, args.seconds))
            finally:
                running.stop()
        _report(sorted(scratch.glob("profile.*")), mode, args.top)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
