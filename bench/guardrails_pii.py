"""How well the rules find personal data in the labeled texts of the shared data.

    python -m bench.guardrails_pii DATA_FOLDER [--misses]

A span counts where a found one has the same type and covers it with an IoU of at least one
half, one to one. `--misses` prints what was missed and what was found too much. The second
set's labels are incomplete: only its recall means something.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

STRUCTURED = {
    "CREDIT_CARD": kind.CARD,
    "PHONE_NUMBER": kind.PHONE,
    "EMAIL_ADDRESS": kind.EMAIL,
    "IBAN_CODE": kind.IBAN,
    "US_SSN": kind.SSN,
    "IP_ADDRESS": kind.IP,
}
HELD_OUT = {
    "CREDIT_CARD": kind.CARD,
    "PHONE": kind.PHONE,
    "EMAIL": kind.EMAIL,
    "IBAN": kind.IBAN,
    "SSN": kind.SSN,
    "IP": kind.IP,
}
LEAST_IOU = 0.5


@dataclass
class Score:
    """Counts by type, and the texts behind the mistakes."""

    hit: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)

    def f(self, beta: float) -> float:
        """The F measure over all types."""
        hit, weight = self.hit.total(), beta * beta
        whole = (1 + weight) * hit + weight * self.missed.total() + self.extra.total()
        return (1 + weight) * hit / whole if whole else 0.0


def iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Intersection over union of two places."""
    both = min(one[1], other[1]) - max(one[0], other[0])
    return max(0, both) / (max(one[1], other[1]) - min(one[0], other[0]))


def generated(folder: Path) -> Score:
    """The 2,109 texts with complete labels."""
    scanner, score = Scanner(STRUCTURED.values()), Score()
    for row in json.loads((folder / "generated_large.json").read_text()):
        text = row["full_text"]
        said = [(s.start, s.end, s.kind) for s in scanner.find(text)]
        for label in row["spans"]:
            name = STRUCTURED.get(label["entity_type"])
            if name is None:
                continue
            place = (label["start_position"], label["end_position"])
            best = max(
                (s for s in said if s[2] == name), key=lambda s: iou(s[:2], place), default=None
            )
            if best is not None and iou(best[:2], place) >= LEAST_IOU:
                said.remove(best)
                score.hit[name] += 1
            else:
                score.missed[name] += 1
                score.mistakes.append(f"missed {name} {label['entity_value']!r} in {text!r}")
        for start, end, name in said:
            score.extra[name] += 1
            score.mistakes.append(f"extra {name} {text[start:end]!r} in {text!r}")
    return score


def held_out(folder: Path) -> Score:
    """Values in business sentences that no rule was tuned on: recall alone."""
    scanner, score = Scanner(HELD_OUT.values()), Score()
    for row in json.loads((folder / "pii_syn_nano_en.json").read_text()):
        text = row["text"]
        said = [(text[s.start : s.end], s.kind) for s in scanner.find(text)]
        for label in row.get("NER", ()):
            name = HELD_OUT.get(label["label"])
            if name is None:
                continue
            value = label.get("entity") or ""
            if any(n == name and (v in value or value in v) for v, n in said):
                score.hit[name] += 1
            else:
                score.missed[name] += 1
                score.mistakes.append(f"missed {name} {value!r} in {text!r}")
    return score


def table(score: Score) -> None:
    print(f"{'type':8} {'hit':>5} {'missed':>7} {'extra':>6}")
    for name in sorted(set(score.hit) | set(score.missed) | set(score.extra)):
        print(f"{name:8} {score.hit[name]:5} {score.missed[name]:7} {score.extra[name]:6}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--misses", action="store_true")
    options = parser.parse_args()
    score = generated(options.data / "pii")
    table(score)
    print(f"micro F1 {score.f(1):.4f}  F2 {score.f(2):.4f}\n")
    other = held_out(options.data / "pii")
    table(other)
    if options.misses:
        print("\n".join(score.mistakes + other.mistakes))


if __name__ == "__main__":
    main()
