"""Whether policies can be run at all, which only the engines that run them know.

Configuration reads a policy without them: conditions compile in the rule book, and patterns of
personal data in the library that searches texts. The trap: what is found out later is found out
by a call, whose check then fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from federation.domain.policies import Pii, PiiPattern, Policy
from federation.errors import ConfigError, Problem
from federation.governance.rulebook import Rulebook
from federation.guardrails.patterns import compiled


def check_policies(policies: tuple[Policy, ...]) -> None:
    """Raise `ConfigError` with the file and line of everything that cannot be run."""
    problems = list(_patterns(policies))
    try:
        Rulebook(policies, ())
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)


def _patterns(policies: Iterable[Policy]) -> Iterator[Problem]:
    for policy in policies:
        for rule in policy.rules:
            for pattern in rule.patterns if isinstance(rule, Pii) else ():
                reason = _refusal(pattern)
                if reason:
                    message = f"'pii.patterns.{pattern.name}' cannot be run: {reason}"
                    yield Problem(rule.file, rule.line, message)


def _refusal(pattern: PiiPattern) -> str:
    try:
        compiled(pattern.pattern.encode("latin-1", "replace"), ignore_case=pattern.ignore_case)
    except ValueError as error:
        return str(error)
    return ""
