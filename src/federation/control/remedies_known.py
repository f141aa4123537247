"""What remedies there are, what each is about, and what is said where one cannot be.

The trap: a remedy is no way round permissions. Whoever proposes or decides one could do the same
without a violation.
"""

from __future__ import annotations

from typing import Final

from federation.control.permissions import Permission, may
from federation.domain.access import VirtualKey
from federation.domain.violations import Kind, Remedy, Violation
from federation.errors import FederationError, Forbidden, InvalidRequest

DISABLE_KEY: Final = "disable_key"
ACTIONS: Final = (
    DISABLE_KEY,
    "revoke_key",
    "disable_provider",
    "enforce_policy",
    "open_approval",
)
SECOND: Final = frozenset({"revoke_key", "disable_provider"})
"""Another person has to approve these."""
PASSED_ON: Final = frozenset({"enforce_policy", "open_approval"})
"""These have a way of their own of being approved."""
DECIDING, UNDOING = "deciding", "undoing"
_NEEDS: Final = {
    DISABLE_KEY: Permission.CHANGE_KEYS,
    "revoke_key": Permission.CHANGE_KEYS,
    "disable_provider": Permission.CHANGE_PROVIDERS,
    "enforce_policy": Permission.CHANGE_POLICIES,
    "open_approval": Permission.CHANGE_POLICIES,
}


def check_may(asker: VirtualKey | None, action: str) -> None:
    """Raise `Forbidden` where somebody could not do this without a violation, too."""
    if asker is not None and not may(asker, _NEEDS[action]):
        raise Forbidden(f"'{action}' needs the permission '{_NEEDS[action].value}'.")


def subject_of(violation: Violation, action: str) -> str:
    """What an action is about, where nobody says. Raises `InvalidRequest`."""
    subject = {
        DISABLE_KEY: violation.key,
        "revoke_key": violation.key,
        "enforce_policy": violation.policy if violation.kind is Kind.REPORTED else "",
        "open_approval": violation.rule,
    }.get(action, "")
    if not subject:
        message = f"Say with 'subject' what '{action}' is to be about."
        raise InvalidRequest(message, param="subject")
    return subject


def broken_off(remedy: Remedy) -> FederationError:
    """What somebody is told of a remedy that nobody can know to have been passed on."""
    message = (
        f"This '{remedy.action}' was broken off before it was passed on, and is dropped now. See "
        "what is proposed already; where this is not, propose the remedy again."
    )
    return InvalidRequest(message, status=409, code="remedy_broken_off")


def over(remedy: Remedy) -> FederationError:
    """What somebody is told who comes too late."""
    message = f"This remedy is {remedy.state} already."
    if remedy.state in (DECIDING, UNDOING):
        message = "Somebody else is at this remedy just now. Look at it again in a moment."
    return InvalidRequest(message, status=409, code="already_decided")
