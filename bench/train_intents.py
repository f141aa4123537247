"""Train the prompt classifier and measure it honestly.

    python -m bench.train_intents DATA_FOLDER [--write]

Standard library only, fixed seeds: the same data gives the same weights. It prints
accuracy beside random, majority and keyword rules, on prompts that were not trained on:
a tenth of the public data (optimistic: same templates), real users' prompts in five folds,
and prompts that we labelled by hand. `--write` trains on everything that may be trained on
and writes `src/federation/routing/intents.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

from bench.intent_data import Example, examples, labelled, real
from bench.intent_rules import by_rules

from federation.routing.classifier import KINDS, LinearClassifier, pack
from federation.routing.features import features

EPOCHS = 6
RATE = 0.5
DECAY = 2e-5
LEAST_WORDS = 3
LEAST_PAIRS = 4
KEPT = 9000
FOLDS = 5
WEIGHTS = Path(__file__).parent.parent / "src/federation/routing/intents.json"

TEN = {
    "code_implementation": "code",
    "code_review": "code",
    "code_debugging": "code",
    "code_documentation": "code",
    "math": "math",
    "reasoning": "reasoning",
    "question_answering": "knowledge",
    "creative_writing": "creative",
    "technical_writing": "creative",
}
NAMES = list(KINDS)
Bag = list[int]


class Vocabulary:
    """Features that occur often enough, numbered."""

    def __init__(self, texts: Sequence[str]) -> None:
        words: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            found, signs = features(text)
            words.update({*found, *signs})
            pairs.update(set(pairwise(found)))
        known: list[str | tuple[str, str]] = [w for w, n in words.items() if n >= LEAST_WORDS]
        known += [pair for pair, n in pairs.items() if n >= LEAST_PAIRS]
        self.names = sorted(known, key=str)
        self.index = {name: number for number, name in enumerate(self.names)}

    def bag(self, text: str) -> Bag:
        """The known features of a text."""
        found, signs = features(text)
        index = self.index
        return sorted({index[f] for f in (*found, *signs, *pairwise(found)) if f in index})


class Softmax:
    """Multinomial logistic regression over unit-length bags, by AdaGrad."""

    def __init__(self, size: int, kinds: int) -> None:
        self.weights = [[0.0] * kinds for _ in range(size)]
        self.bias = [0.0] * kinds
        self._seen = [1e-8] * size
        self._kinds = kinds

    def scores(self, bag: Bag) -> list[float]:
        """A score for each kind."""
        if not bag:
            return list(self.bias)
        total = [0.0] * self._kinds
        for feature in bag:
            total = [a + b for a, b in zip(total, self.weights[feature], strict=True)]
        scale = 1.0 / math.sqrt(len(bag))
        return [a * scale + b for a, b in zip(total, self.bias, strict=True)]

    def learn(self, bag: Bag, kind: int, weight: float) -> None:
        """One step on one example."""
        slope = softmax(self.scores(bag))
        slope[kind] -= 1.0
        slope = [weight * s for s in slope]
        scale = 1.0 / math.sqrt(len(bag)) if bag else 0.0
        size = scale * scale * sum(s * s for s in slope)
        for feature in bag:
            self._seen[feature] += size
            step = RATE * scale / math.sqrt(self._seen[feature])
            keep = 1.0 - DECAY
            row = self.weights[feature]
            self.weights[feature] = [keep * w - step * s for w, s in zip(row, slope, strict=True)]
        self.bias = [b - 0.01 * s for b, s in zip(self.bias, slope, strict=True)]


def softmax(scores: Sequence[float], temperature: float = 1.0) -> list[float]:
    """Probabilities of scores."""
    most = max(scores)
    grown = [math.exp((score - most) / temperature) for score in scores]
    whole = sum(grown)
    return [part / whole for part in grown]


def train(data: Sequence[Example], rng: Random) -> tuple[Vocabulary, Softmax]:
    """Fit a model; rare kinds count more, by the square root."""
    vocabulary = Vocabulary([example.text for example in data])
    counts = Counter(example.kind for example in data)
    usual = len(data) / len(counts)
    bags = [
        (vocabulary.bag(e.text), NAMES.index(e.kind), e.weight * (usual / counts[e.kind]) ** 0.5)
        for e in data
    ]
    model = Softmax(len(vocabulary.names), len(NAMES))
    for _ in range(EPOCHS):
        rng.shuffle(bags)
        for bag, kind, weight in bags:
            model.learn(bag, kind, weight)
    return vocabulary, model


def temperature(pairs: Sequence[tuple[list[float], int]]) -> float:
    """The temperature under which held-out probabilities are most likely."""

    def loss(value: float) -> float:
        return -sum(math.log(softmax(s, value)[kind] + 1e-12) for s, kind in pairs)

    return min((step / 20 for step in range(6, 80)), key=loss)


def packed(
    vocabulary: Vocabulary, model: Softmax, heat: float, provenance: dict[str, object]
) -> dict[str, object]:
    """The weights file, with only the strongest features."""
    strength = [max(row) - min(row) for row in model.weights]
    kept = sorted(range(len(strength)), key=strength.__getitem__, reverse=True)[:KEPT]
    return pack(
        [vocabulary.names[feature] for feature in kept],
        [model.weights[feature] for feature in kept],
        model.bias,
        heat,
        provenance,
    )


def calibration(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error."""
    error = 0.0
    for step in range(bins):
        inside = [p for p in pairs if step / bins <= p[0] < (step + 1) / bins + (step == bins - 1)]
        if inside:
            sure = sum(p for p, _ in inside) / len(inside)
            right = sum(ok for _, ok in inside) / len(inside)
            error += abs(sure - right) * len(inside) / len(pairs)
    return error


def ten(intent: str, category: str) -> str:
    """An intent in the ten labels of the public data."""
    if intent == "problem_solving":
        return "math" if category == "math" else "reasoning"
    return TEN.get(intent, intent)


def intent_of(kind: str) -> str:
    """The intent that a kind belongs to."""
    return KINDS[kind].intent


def report(name: str, truth: Sequence[str], guesses: Sequence[str], rules: Sequence[str]) -> None:
    """Accuracy beside the baselines."""
    count = len(truth)
    common = Counter(truth).most_common(1)[0]
    kinds = len(set(map(intent_of, NAMES)))
    print(
        f"{name:34} n={count:5}  random {1 / kinds:.3f}  majority {common[1] / count:.3f} "
        f"({common[0]})  rules {_same(truth, rules):.3f}  model {_same(truth, guesses):.3f}"
    )


def _same(truth: Sequence[str], guesses: Sequence[str]) -> float:
    return sum(t == g for t, g in zip(truth, guesses, strict=True)) / len(truth)


def evaluate(folder: Path) -> float:
    """Print what held-out prompts say; return the temperature for the final model."""
    rng = Random(7)
    public, users = examples(folder, rng), real(folder)
    cut = len(public) // 10
    held, rest = public[:cut], public[cut:]
    scored: list[tuple[list[float], int]] = []
    rng.shuffle(users)
    guesses: list[str] = []
    truth: list[str] = []
    for fold in range(FOLDS):
        test = users[fold::FOLDS]
        known = [e for number, e in enumerate(users) if number % FOLDS != fold]
        vocabulary, model = train([*rest, *known, *known], rng)
        if fold == 0:
            only, plain = train(rest, Random(7))
            first = [NAMES[_best(plain.scores(only.bag(e.text)))] for e in users]
            report(
                "real users, none trained on",
                [intent_of(e.kind) for e in users],
                [intent_of(kind) for kind in first],
                [by_rules(e.text) for e in users],
            )
            judged = [NAMES[_best(model.scores(vocabulary.bag(e.text)))] for e in held]
            report(
                "public, held-out tenth",
                [intent_of(e.kind) for e in held],
                [intent_of(kind) for kind in judged],
                [by_rules(e.text) for e in held],
            )
            _by_hand(folder, LinearClassifier(packed(vocabulary, model, 1.0, {})))
        for example in test:
            scores = model.scores(vocabulary.bag(example.text))
            scored.append((scores, NAMES.index(example.kind)))
            guesses.append(NAMES[_best(scores)])
            truth.append(example.kind)
    report(
        "real users, five folds",
        [intent_of(kind) for kind in truth],
        [intent_of(kind) for kind in guesses],
        [by_rules(e.text) for fold in range(FOLDS) for e in users[fold::FOLDS]],
    )
    coarse = [TEN.get(kind, kind) for kind in truth]
    print("  as code, math, creative:", f"{_same(coarse, [TEN.get(g, g) for g in guesses]):.3f}")
    heat = temperature(scored)
    for value in (1.0, heat):
        sure = [_confidence(s, kind, value) for s, kind in scored]
        print(f"  calibration error at temperature {value:.2f}: {calibration(sure):.3f}")
    return heat


def _confidence(scores: list[float], truth: int, heat: float) -> tuple[float, bool]:
    """The classifier's confidence in its intent, and whether that is right."""
    intents = [intent_of(kind) for kind in NAMES]
    chosen = intents[_best(scores)]
    shares = zip(intents, softmax(scores, heat), strict=True)
    return sum(share for intent, share in shares if intent == chosen), chosen == intents[truth]


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _by_hand(folder: Path, model: LinearClassifier) -> None:
    prompts = labelled(folder, measured=True)
    guesses = [model(prompt.text).name for prompt in prompts]
    truth = [prompt.kind for prompt in prompts]
    rules = [by_rules(prompt.text) for prompt in prompts]
    report("labelled by hand, 18 intents", truth, guesses, rules)
    families = [[name.partition("_")[0] == "code" for name in names] for names in (truth, guesses)]
    print(
        "  code or not:", f"{sum(a == b for a, b in zip(*families, strict=True)) / len(truth):.3f}"
    )
    others = [(t, g, r) for t, g, r in zip(truth, guesses, rules, strict=True) if "code" not in t]
    print(
        f"  those that are not code: n={len(others)} rules "
        f"{_same([o[0] for o in others], [o[2] for o in others]):.3f} model "
        f"{_same([o[0] for o in others], [o[1] for o in others]):.3f}"
    )
    wrong = Counter((t, g) for t, g in zip(truth, guesses, strict=True) if t != g)
    print("  most confused:", wrong.most_common(8))


def main() -> int:
    """Measure, and write the weights where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    heat = evaluate(chosen.data)
    if chosen.write:
        rng = Random(7)
        data = [*examples(chosen.data, rng), *real(chosen.data), *real(chosen.data)]
        vocabulary, model = train(data, rng)
        sources = sorted({e.source.partition("_")[0] for e in data})
        provenance: dict[str, object] = {
            "script": "bench/train_intents.py",
            "examples": len(data),
            "sources": sources,
        }
        stored = packed(vocabulary, model, heat, provenance)
        WEIGHTS.write_text(json.dumps(stored, ensure_ascii=False, indent=0) + "\n", "utf-8")
        print(f"wrote {WEIGHTS} ({WEIGHTS.stat().st_size // 1024} KiB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
