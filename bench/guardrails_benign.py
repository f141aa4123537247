"""What only looks like personal data: how often the rules take it for that.

    python -m bench.guardrails_benign [--each 2000] [--show]

Generated with a fixed seed: order and invoice numbers, timestamps, versions, hashes, UUIDs,
prices, coordinates, code, sizes, ISBNs and the like, in sentences as people write them.
"""

from __future__ import annotations

import argparse
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

from federation.guardrails import entities as kind
from federation.guardrails.scan import Scanner

SEED = 20260101
WORDS = (
    "alpha",
    "build",
    "cache",
    "delta",
    "engine",
    "folder",
    "gamma",
    "harbor",
    "index",
    "junction",
)


def digits(random: Random, count: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(count))


def hexadecimal(random: Random, count: int) -> str:
    return "".join(random.choice("0123456789abcdef") for _ in range(count))


def stamp(random: Random) -> str:
    day = f"20{random.randint(10, 29)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    clock = f"{random.randint(0, 23):02}:{random.randint(0, 59):02}:{random.randint(0, 59):02}"
    return random.choice(
        (f"{day}T{clock}Z", f"{day} {clock}", f"{day} {clock}.{digits(random, 3)}")
    )


def version(random: Random) -> str:
    size = random.randint(3, 4)
    return ".".join(str(random.randint(0, 40)) for _ in range(size))


MAKERS: dict[str, Callable[[Random], str]] = {
    "order": lambda r: f"Order #{digits(r, r.randint(6, 12))} was shipped",
    "order letters": lambda r: f"order ORD-{digits(r, 4)}-{digits(r, 6)} is late",
    "invoice": lambda r: f"Invoice number {digits(r, r.randint(6, 10))} is due",
    "tracking": lambda r: f"tracking number 1Z{digits(r, 16)}",
    "ticket": lambda r: f"see ticket {r.choice('ABC')}{r.choice('XYZ')}-{digits(r, 5)}",
    "epoch": lambda r: f"at {r.randint(1_500_000_000, 1_800_000_000)} the job began",
    "epoch ms": lambda r: f'{{"ts": {r.randint(1_500_000_000_000, 1_800_000_000_000)}}}',
    "timestamp": lambda r: f"[{stamp(r)}] {r.choice(WORDS)} started",
    "compact": lambda r: f"backup_2024{r.randint(1001, 1128)}_{digits(r, 6)}.tar",
    "version": lambda r: f"upgrade to version {version(r)} of {r.choice(WORDS)}",
    "v version": lambda r: f"{r.choice(WORDS)} v{version(r)} is out",
    "pin": lambda r: f"{r.choice(WORDS)}=={version(r)}",
    "md5": lambda r: f"md5 {hexadecimal(r, 32)}",
    "sha1": lambda r: f"commit {hexadecimal(r, 40)}",
    "sha256": lambda r: f"sha256:{hexadecimal(r, 64)}",
    "short hash": lambda r: f"fixed in {hexadecimal(r, 8)} by the team",
    "uuid": lambda r: f"id {uuid.UUID(int=r.getrandbits(128))} not found",
    "uuid json": lambda r: f'{{"id": "{uuid.UUID(int=r.getrandbits(128))}"}}',
    "price": lambda r: f"it costs ${r.randint(1, 999)},{digits(r, 3)}.{digits(r, 2)} in total",
    "population": lambda r: f"{r.randint(1, 99)},{digits(r, 3)},{digits(r, 3)} people live there",
    "coordinates": lambda r: f"at {r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f}",
    "float": lambda r: f"loss = {r.random():.12f}",
    "size": lambda r: f"read {r.randint(10**6, 10**10)} bytes",
    "hex": lambda r: f"at address 0x{hexadecimal(r, 12)}",
    "isbn": lambda r: f"ISBN 978-{r.randint(0, 9)}-{digits(r, 4)}-{digits(r, 4)}-{r.randint(0, 9)}",
    "years": lambda r: f"from {r.randint(1900, 1980)}-{r.randint(1981, 2020)} in the archive",
    "time": lambda r: f"from {r.randint(0, 23)}:{digits(r, 1)}0:{digits(r, 1)}5 on",
    "code": lambda r: f"x[{r.randint(0, 9)}] = {digits(r, 5)} * {digits(r, 4)} + {digits(r, 3)}",
    "decorator": lambda r: f"@{r.choice(WORDS)}.{r.choice(WORDS)} and user@{r.choice(WORDS)}",
    "package": lambda r: f"npm install {r.choice(WORDS)}@{version(r)}",
    "dimension": lambda r: f"{r.randint(100, 4000)}x{r.randint(100, 4000)}x32 pixels",
    "sku": lambda r: f"SKU {digits(r, 3)}-{digits(r, 4)}-{r.choice('ABCDEF')}",
    "transaction": lambda r: f"transaction id {digits(r, 16)} failed",
    "long id": lambda r: f'"account_ref": "acc_{hexadecimal(r, 16)}"',
    "build": lambda r: f"build {digits(r, 8)}.{r.randint(1, 99)} passed",
    "table": lambda r: f"{digits(r, 4)} {digits(r, 4)} {digits(r, 3)} {digits(r, 5)}",
    "equation": lambda r: f"{digits(r, 3)} - {digits(r, 2)} = {digits(r, 3)}",
    "css": lambda r: f"color: #{hexadecimal(r, 6)}; margin: {r.randint(0, 40)}px 0",
    "mac": lambda r: ":".join(hexadecimal(r, 2) for _ in range(6)),
    "score": lambda r: f"won {r.randint(0, 9)}-{r.randint(0, 9)}, 6-4 in 20{digits(r, 2)}",
}  # fmt: skip


def texts(each: int, seed: int = SEED) -> Iterator[tuple[str, str]]:
    """The name of a maker and a text, `each` times every maker."""
    random = Random(seed)
    for name, make in MAKERS.items():
        for _ in range(each):
            yield name, make(random)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=1000)
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    scanner = Scanner(kind.BUILT_IN)
    flagged: Counter[str] = Counter()
    for name, text in texts(options.each):
        spans = scanner.find(text)
        if spans:
            flagged[name] += 1
            if options.show and flagged[name] <= 3:
                print(name, [(span.kind, text[span.start : span.end]) for span in spans], text)
    whole = options.each * len(MAKERS)
    for name, count in flagged.most_common():
        print(f"{name:14} {count / options.each:.2%}")
    print(f"flagged {flagged.total()} of {whole}: {flagged.total() / whole:.3%}")


if __name__ == "__main__":
    main()
