"""What a number or word in a file means: money, shares, times of day, addresses, references.

Each function takes what YAML gave and returns what the domain keeps, or raises
`ValueError` with the rest of a sentence that begins with the key's name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from federation.config.nearest import unknown_word
from federation.config.words import REGIONS, WEEKDAYS
from federation.domain.hands import person_id
from federation.domain.hosts import forbidden_name
from federation.domain.money import NANO
from federation.domain.tenancy import Tenant, User, checked_id
from federation.errors import InvalidRequest

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_CERTIFICATION = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_VAULT = re.compile(r"[\w.@-]+(?:/[\w.@-]+)+#[\w.@-]+", re.ASCII)
_TRANSIT = re.compile(r"[\w.@-]+(?:/[\w.@-]+)+", re.ASCII)
_REFERENCE = "env:NAME, file:PATH or vault:MOUNT/PATH#FIELD"
_ROOTS = "file, vault-transit:MOUNT/KEY or vault:MOUNT/PATH#FIELD"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_KEY = re.compile(r"key_[0-9a-f]{16}")
_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])\Z")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
# Validators raise ValueError also for a wrong type: pydantic lets a TypeError through.
_LARGEST_USD = Decimal(1_000_000)
_MOST_NOUGHTS = 400
_SHORTEST_DAY = 3


def on_off(value: object) -> object:
    """YAML reads a bare `on` or `off` as a truth value: the word again."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return value


def decimal(value: object) -> Decimal:
    """An exact, finite number of zero or more, with no more noughts than a `float` may have: a
    longer one takes minutes to write out, or overflows where it is multiplied."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise ValueError("should be a number")  # noqa: TRY004 - see above
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("should be a number") from None
    if not number.is_finite() or number < 0:
        raise ValueError("should be zero or more")
    if abs(number.adjusted()) > _MOST_NOUGHTS:
        raise ValueError("should be a number that people write")
    return number


def usd(value: object) -> int:
    """Nano-dollars of a price in USD, exact: what cannot be kept exactly is refused."""
    number = decimal(value)
    if number > _LARGEST_USD:
        raise ValueError("is above 1,000,000 USD: prices are USD per million tokens")
    nano = number * NANO
    if nano != nano.to_integral_value():
        raise ValueError("has more than nine decimals")
    return int(nano)


def permille(value: object) -> int:
    """A factor (1.1) as thousandths (1100), exact."""
    number = decimal(value) * 1000
    if number != number.to_integral_value():
        raise ValueError("has more than three decimals")
    return int(number)


def day(value: object) -> str:
    """A day of the calendar as in 2027-01-31, for days are compared as texts."""
    try:
        written = date.fromisoformat(value).isoformat() if isinstance(value, str) else None
    except ValueError:
        written = None
    if written is None or written != value:
        raise ValueError("should be a day such as 2027-01-31")
    return written


def region(value: object) -> str:
    """A residency class or a country code, in lower case."""
    if not isinstance(value, str):
        raise ValueError("should be a region such as us, eu or local")  # noqa: TRY004 - see above
    word = value.strip().lower()
    if word not in REGIONS:
        known = ("us", "eu", "uk", "apac", "cn", "other", "local", "or a two-letter country code")
        raise ValueError(f"holds an {unknown_word('region', word, known)}")
    return word


def certification(value: object) -> str:
    """A certification's name in lower case."""
    word = value.strip().lower() if isinstance(value, str) else ""
    if not _CERTIFICATION.match(word):
        raise ValueError("should be a short name such as soc2, iso27001, hipaa or gdpr")
    return word


def identifier(value: object) -> str:
    """A provider's id: it stands before the slash of a deployment's name."""
    if not isinstance(value, str) or not _NAME.match(value):
        quotes = "; a number needs quotes" if isinstance(value, int | Decimal) else ""
        raise ValueError(
            "should be lower-case letters, digits, '_', '-' or '.', at most 64, and no slash"
            + quotes
        )
    return value


def name(value: object) -> str:
    """A public name without blanks or control characters."""
    word = str(value) if isinstance(value, int | Decimal) else value
    if not isinstance(word, str) or not word or len(word) > 200 or not word.isprintable():
        raise ValueError("should be a name of 1 to 200 printable characters")
    if word != word.strip() or " " in word:
        raise ValueError("should have no blanks")
    return word


def header_name(value: object) -> str:
    """An HTTP field name in lower case."""
    if not isinstance(value, str) or not _HEADER.match(value):
        raise ValueError("should be the name of an HTTP header")
    return value.lower()


def header_value(value: object) -> str:
    """An HTTP field value: visible ASCII and blanks."""
    word = str(value) if isinstance(value, int | Decimal) else value
    if not isinstance(word, str) or not (word.isascii() and word.isprintable()):
        raise ValueError("should be printable ASCII")
    return word


def credential(value: object) -> str:
    """A reference to a secret. The secret itself is refused, and never repeated."""
    if not isinstance(value, str):
        raise ValueError(f"should be {_REFERENCE}")  # noqa: TRY004 - see above
    kind, colon, rest = value.partition(":")
    if colon and kind == "env" and _VARIABLE.match(rest):
        return value
    if colon and kind == "file" and rest and rest.isprintable():
        return value
    if colon and kind == "vault":
        if _VAULT.fullmatch(rest):
            return value
        raise ValueError("should name mount, path and field of a Vault: vault:MOUNT/PATH#FIELD")
    raise ValueError(f"should be {_REFERENCE}; a secret itself has no place in a file")


def sealing_root(value: object) -> str:
    """Where the root of the sealing keys is."""
    if not isinstance(value, str):
        raise ValueError(f"should be {_ROOTS}")  # noqa: TRY004 - see above
    kind, _, rest = value.partition(":")
    if value == "file" or (kind == "vault" and _VAULT.fullmatch(rest)):
        return value
    if kind == "vault-transit" and _TRANSIT.fullmatch(rest):
        return value
    raise ValueError(f"should be {_ROOTS}")


def keeping(value: object) -> bool | str:
    """What is kept of contents."""
    if isinstance(value, bool):
        return value
    if value == "hashes":
        return "hashes"
    raise ValueError("should be true, false or hashes")


def base_url(value: object) -> str:
    """An http or https address without credentials, query or fragment; no trailing slash.

    Placeholders such as `{region}` may stand in it: the environment fills them. What no connection
    will be made to, the metadata service of a cloud, is refused where it is written.
    """
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        raise ValueError("should be an address such as https://host/v1")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("should be an address such as https://host/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("should begin with http:// or https:// and name a host")
    if "@" in parts.netloc:
        raise ValueError("should hold no user or password: use 'credential'")
    if parts.query or parts.fragment or "?" in value or "#" in value:
        raise ValueError("should hold no query or fragment")
    if port == 0:
        raise ValueError("should name a port from 1 to 65535")
    reason = forbidden_name(parts.hostname, private=True)
    if reason is not None:
        where = parts.hostname
        raise ValueError(f"cannot be used: the gateway does not connect to {where}: {reason}")
    return value.rstrip("/")


def proxy_url(value: object) -> str:
    """An HTTP proxy's address; a user and password may stand in it."""
    word = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(word if "://" in word else f"http://{word}")
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not word.isprintable() or " " in word:
        raise ValueError("should be a proxy's address such as http://proxy:3128")
    return word if "://" in word else f"http://{word}"


def store_address(schemes: tuple[str, ...], example: str) -> Callable[[object], str]:
    """A reference (`env:NAME`, `file:PATH`) to a store's whole address, or the address without
    a password: a secret has no place in a file, and none in a message."""

    def check(value: object) -> str:
        word = value.strip() if isinstance(value, str) else ""
        if word.startswith(("env:", "file:")):
            return credential(word)
        return whole_address(word, schemes, example, password=False)

    return check


def whole_address(
    word: str, schemes: tuple[str, ...], example: str, *, password: bool = True
) -> str:
    """An address of one of these schemes. Raises `ValueError`, without repeating it."""
    try:
        parts = urlsplit(word)
        good = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not word.isprintable() or " " in word:
        raise ValueError(f"should be an address such as {example}, env:NAME or file:PATH")
    if not password and (parts.password or "password=" in parts.query):
        raise ValueError(
            "should hold no password: put the whole address into a variable or a file and "
            "write env:NAME or file:PATH"
        )
    return word


def is_loopback(host: str) -> bool:
    """True for addresses and names that stand for this machine alone."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def approver(value: object) -> str:
    """A key's id, or a person as tenant and user; the id under which they ask."""
    text = str(value).strip()
    if _KEY.fullmatch(text):
        return text
    tenant, _, user = text.partition("/")
    try:
        return person_id(checked_id(Tenant, tenant), checked_id(User, user))
    except InvalidRequest:
        raise ValueError(
            "should be the id of a key, such as key_3f9c0a5d61b7e824, or a person as tenant and "
            "user, such as default/ada@example.com"
        ) from None


def network(value: object) -> str:
    """An IP address or network."""
    try:
        return str(ipaddress.ip_network(str(value), strict=False))
    except ValueError:
        raise ValueError("should be an IP address or network such as 10.0.0.0/8") from None


def host_or_network(value: object) -> str:
    """A host's name, in small letters, or an IP address or network."""
    text = str(value).strip().rstrip(".").lower()
    if _HOST.fullmatch(text) and not text.replace(".", "").isdigit():
        return text
    try:
        return network(text)
    except ValueError:
        raise ValueError(
            "should be a host such as images.corp.internal, or a network such as 10.0.0.0/8"
        ) from None


def minute(value: object) -> int:
    """A time of day, HH:MM in UTC, as the minute of the day; 24:00 is the end."""
    found = _TIME.match(value) if isinstance(value, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else -1
    if not 0 <= minutes <= 1440:
        raise ValueError("should be a time of day in UTC such as '16:30'")
    return minutes


def weekday(value: object) -> int:
    """A day of the week: 1 (Monday) to 7, or its English name, whole or cut short. Nothing may
    follow it: a list whose dash is another sign would be its first day alone."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 7:
        return value
    word = value.lower() if isinstance(value, str) else ""
    for number, day in enumerate(WEEKDAYS, 1):
        if len(word) >= _SHORTEST_DAY and day.startswith(word):
            return number
    raise ValueError("should be a weekday such as mon, or 1 (Monday) to 7")
