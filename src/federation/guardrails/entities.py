"""What can be found in a text, and what may be done about it.

The names are the operator's vocabulary: policies, reports and replacement tokens use them.
The trap: a finding's offsets count characters of the text as it was given, also where the
value was recognized in a decoded or folded form of it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

import msgspec

EMAIL: Final = "email"
PHONE: Final = "phone"
CARD: Final = "card"
IBAN: Final = "iban"
SSN: Final = "ssn"
NATIONAL_ID: Final = "national_id"
IP: Final = "ip"
PASSPORT: Final = "passport"
DRIVERS_LICENSE: Final = "drivers_license"
BANK_ACCOUNT: Final = "bank_account"
DATE_OF_BIRTH: Final = "date_of_birth"
PERSON: Final = "person"
ADDRESS: Final = "address"
API_KEY: Final = "api_key"
TOKEN: Final = "token"  # noqa: S105 - a type
PRIVATE_KEY: Final = "private_key"
SECRET: Final = "secret"  # noqa: S105 - a type
FAILURE: Final = "detector_failure"
"""The type under which a detector that could not say anything is counted."""

PERSONAL: Final = (
    EMAIL,
    PHONE,
    CARD,
    IBAN,
    SSN,
    NATIONAL_ID,
    IP,
    PASSPORT,
    DRIVERS_LICENSE,
    BANK_ACCOUNT,
    DATE_OF_BIRTH,
)
"""What the built-in rules find about people."""
SECRETS: Final = (API_KEY, TOKEN, PRIVATE_KEY, SECRET)
BY_PLUGIN: Final = (PERSON, ADDRESS)
"""What only a plugged-in recognizer finds."""
BUILT_IN: Final = PERSONAL + SECRETS
CLASSES: Final = {
    CARD: ("pci", "pii"),
    IBAN: ("financial", "pii"),
    BANK_ACCOUNT: ("financial", "pii"),
    **dict.fromkeys(SECRETS, ("credentials",)),
}
"""Classes of data, in the words of policies, by type; any other type is `pii`."""
BESIDE, SHAPED, CHECKED, CERTAIN = 3, 5, 7, 9
"""Ranks: beside a word, telling form, check digit, issuer's own mark."""
NOTHING: Final = ""
"""The type of what takes a place without being a finding."""
CUSTOM: Final = "custom:"
"""Before the name that an operator gave to a pattern."""


class Action(Enum):
    """What is done about a finding, mildest first."""

    LOG = "log"
    """Counted and recorded; the text stays."""
    MASK = "mask"
    """The last characters stay readable."""
    HASH = "hash"
    """A keyed digest: equal values stay recognizable as equal, and nothing else."""
    TOKENIZE = "tokenize"
    """A token that this call's answer is turned back from."""
    REDACT = "redact"
    """The name of the type stands in its place."""
    BLOCK = "block"
    """The call is refused."""

    @property
    def strictness(self) -> int:
        """For choosing the strictest of several; LOG is 0."""
        return _ORDER.index(self)

    @property
    def changes(self) -> bool:
        """Whether the text is changed."""
        return self not in (Action.LOG, Action.BLOCK)


def strictest(*rules: Mapping[str, Action]) -> dict[str, Action]:
    """Several policies' actions by type as one: for each type the strictest."""
    merged: dict[str, Action] = {}
    for actions in rules:
        for kind, action in actions.items():
            known = merged.get(kind)
            if known is None or action.strictness > known.strictness:
                merged[kind] = action
    return merged


_ORDER: Final = [
    Action.LOG,
    Action.MASK,
    Action.HASH,
    Action.TOKENIZE,
    Action.REDACT,
    Action.BLOCK,
]


class Span(msgspec.Struct, frozen=True, gc=False):
    """A place in a text. `rank`: how sure; of two that overlap the higher one stays.

    A struct, for a dense text makes dozens of them and a frozen dataclass takes a microsecond.
    """

    start: int
    end: int
    kind: str
    rank: int = 5


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What was found and what was done, without the value itself."""

    kind: str
    action: str
    """`Action.value`."""
    surface: str
    """Where, as a dotted path: `messages[2].parts[0].text`."""
    count: int = 1


@dataclass(frozen=True, slots=True)
class DetectorFailure:
    """A detector could not say anything about a text. Whether that blocks is the caller's."""

    detector: str
    reason: str


class Recognizer(Protocol):
    """A plugged-in detector (names, addresses, ...).

    It turns its own exceptions into a `DetectorFailure`: what it cannot read was not checked.
    """

    name: str
    kinds: tuple[str, ...]

    def find(self, text: str) -> Sequence[Span] | DetectorFailure:
        """Places in `text`, in characters of it."""
        ...


def classes_of(kind: str) -> tuple[str, ...]:
    """The classes of data that a value of this type belongs to."""
    return CLASSES.get(kind, ("pii",))


@functools.lru_cache(maxsize=256)
def label(kind: str) -> str:
    """The type's name in replacements: capitals, digits and underscores."""
    name = kind.removeprefix(CUSTOM).upper()
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name)
