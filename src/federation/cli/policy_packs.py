"""Shows the packs of policies that are shipped."""

from __future__ import annotations

from typing import Any

from federation.cli.failures import CommandFailed, Exit
from federation.cli.output import print_json, say, table
from federation.config.nearest import unknown_word
from federation.config.policies_packs import Pack, pack, pack_names
from federation.domain.policies import kind_of


def packs(name: str | None, *, as_json: bool) -> None:
    """All packs, or one with its rules. Raises `CommandFailed` for a name that is none."""
    if name is not None and name not in pack_names():
        said = unknown_word("pack", name, pack_names())
        raise CommandFailed(f"{said[:1].upper()}{said[1:]}.", exit_code=Exit.USAGE)
    found = [pack(each) for each in ([name] if name else pack_names())]
    if as_json:
        print_json({"packs": [_shown(each) for each in found]})
        return
    if name is None:
        rows = [(each.name, each.version, len(each.rules), each.title) for each in found]
        table(("=pack", ">version", ">rules", "what it is for"), rows)
        say("A policy takes one in with `packs: [gdpr]`; it may add rules of its own.")
        return
    only = found[0]
    say(f"{only.title} (version {only.version})", "bold")
    say(only.description)
    rules = [(kind_of(rule), rule.control, rule.evidence) for rule in only.rules]
    table(("=rule", "control", "evidence"), rules)
    say(only.text)


def _shown(each: Pack) -> dict[str, Any]:
    return {
        "name": each.name,
        "title": each.title,
        "framework": each.framework,
        "version": each.version,
        "description": each.description,
        "rules": [
            {"rule": kind_of(rule), "control": rule.control, "evidence": rule.evidence}
            for rule in each.rules
        ],
    }
