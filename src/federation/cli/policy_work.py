"""What `federation policy check|test|diff` do, from files and the store alone."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from federation.catalogue import reader as catalogue
from federation.cli import offline
from federation.cli.configuring import named_directory
from federation.cli.failures import CommandFailed, Exit
from federation.cli.output import note, print_json, say, table
from federation.cli.place import Place
from federation.config import policies, policies_tests
from federation.config.load import load
from federation.config.policies_names import Names
from federation.config.settings import Loaded
from federation.control.policies_checked import check_policies
from federation.control.snapshots import compile_snapshot
from federation.domain.catalogue import Deployment
from federation.domain.policies import Attachment, Mode, Policy
from federation.errors import ConfigError, Problem
from federation.governance import diff as compared
from federation.governance import trials
from federation.governance.facts import CallFacts
from federation.governance.rulebook import Rulebook

_NAMED = 12
"""More deployments than so are counted by provider in a table; in JSON they are all named."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """The configuration, and every deployment that it lists."""

    config_dir: Path
    loaded: Loaded
    deployments: tuple[Deployment, ...]

    def book(self, policies: tuple[Policy, ...]) -> Rulebook:
        """These policies, about what the configuration lists. Raises `ConfigError`."""
        check_policies(policies)
        return Rulebook(policies, self.deployments, self.loaded.store_regions)


def check(config: Path | None, *, as_json: bool) -> None:
    """Show the policies in force. Raises `ConfigError`."""
    ground = _ground(config)
    found = ground.loaded.policies
    book = ground.book(found)
    rows = [(policy, _left(policy, ground)) for policy in found]
    if as_json:
        whole = [
            {
                "name": policy.name,
                "version": policy.version,
                "digest": policy.digest,
                "mode": policy.mode.value,
                "attach": asdict(policy.attach),
                "packs": list(policy.packs),
                "rules": len(policy.rules),
                "deployments_left": left,
            }
            for policy, left in rows
        ]
        print_json({"policies": whole, "deployments": len(book.census.ids)})
        return
    if not found:
        say(f"There are no policies in {ground.config_dir / policies.DIRECTORY}.")
        return
    table(
        ("=policy", ">rules", "mode", "binds", ">leaves"),
        [
            (
                p.label,
                len(p.rules),
                p.mode.value,
                _bound(p.attach),
                f"{left} of {len(book.census.ids)}",
            )
            for p, left in rows
        ],
    )
    for policy, left in rows:
        if not left and policy.mode is Mode.ENFORCE:
            note(f"'{policy.name}' leaves no deployment: every call that it binds is refused.")


def test(config: Path | None, files: list[Path], *, as_json: bool) -> Exit:
    """Run policy tests; FAILURE where one fails. Raises `ConfigError`, and `CommandFailed` where
    there is none."""
    ground = _ground(config)
    book = ground.book(ground.loaded.policies)
    problems: list[Problem] = []
    paths = files or policies_tests.sources(ground.config_dir)
    problems += [Problem(str(path), None, "is not there") for path in paths if not path.is_file()]
    asked = policies_tests.read([path for path in paths if path.is_file()], problems)
    if problems:
        raise ConfigError(problems)
    if not asked:
        raise CommandFailed(
            "There are no policy tests.",
            hint=f"Write them into {ground.config_dir / policies.DIRECTORY / policies.TESTS}.",
        )
    outcomes = trials.run(asked, book)
    failed = [each for each in outcomes if not each.passed]
    if as_json:
        rows = [{"name": o.trial.name, "passed": o.passed, "faults": o.faults} for o in outcomes]
        print_json({"passed": len(outcomes) - len(failed), "failed": len(failed), "tests": rows})
    else:
        for each in failed:
            say(f"{each.trial.file}:{each.trial.line}: {each.trial.name}", "bold red")
            for fault in each.faults:
                say(f"  {fault}")
        say(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return Exit.FAILURE if failed else Exit.OK


def diff(config: Path | None, old: Path, new: Path | None, *, as_json: bool) -> None:
    """Compare two sets of policies. Raises `ConfigError`."""
    ground = _ground(config)
    before = _policies_at(old, ground)
    after = ground.loaded.policies if new is None else _policies_at(new, ground)
    found = compared.changes(before, after)
    books = (ground.book(before), ground.book(after))
    now_ms = int(time.time() * 1000)
    facts = CallFacts(tenant="", operation="chat", at_ms=now_ms, data_classes=frozenset())
    moved = compared.effects(*books, facts)
    if as_json:
        print_json({"changes": [asdict(c) for c in found], "effects": [asdict(e) for e in moved]})
        return
    rows = [
        (change.policy, change.what, each.name, each.before, each.after)
        for change in found
        for each in change.details or (compared.Detail("", "", ""),)
    ]
    table(("Policy", "", "Rule", "Before", "After"), rows, empty="The policies say the same.")
    if moved:
        callers = [
            (_caller(each), _counted(each.lost), _counted(each.gained), "\n".join(each.duties))
            for each in moved
        ]
        table(("For", "Loses", "Gains", "Duties"), callers, title="Whom it matters to")


def _ground(config: Path | None) -> _Ground:
    place = Place(config=named_directory(config))
    loaded = load(place.config_dir, os.environ, catalogue.load(), place.env_file)
    loaded = offline.with_approved(place, loaded)
    # Sign-ins decide nothing here: a deployment without one is judged like the others.
    deployments = compile_snapshot(loaded, (), {}, 0).deployments
    return _Ground(place.config_dir, loaded, deployments)


def _policies_at(path: Path, ground: _Ground) -> tuple[Policy, ...]:
    """The policies of a configuration's directory, of a directory of policies, or of a file."""
    if not path.exists():
        raise CommandFailed(f"There is nothing at {path}.", exit_code=Exit.USAGE)
    problems: list[Problem] = []
    names = Names(ground.loaded.providers, ground.loaded.routes)
    paths = [path]
    if (path / policies.DIRECTORY).is_dir():
        paths = policies.sources(path)
    elif path.is_dir():
        paths = sorted(path.glob("*.yaml"))
    found = policies.read_files(paths, names, problems)
    if problems:
        raise ConfigError(problems)
    return found


def _left(policy: Policy, ground: _Ground) -> int:
    """How many deployments it leaves to a call of whom it binds, if it were alone."""
    at = policy.attach
    facts = CallFacts(
        tenant=(*at.tenants, "")[0],
        operation="chat",
        at_ms=int(time.time() * 1000),
        key=(*at.keys, "")[0],
        team=(*at.teams, "")[0],
        route=(*at.routes, "")[0],
        data_classes=frozenset(),
    )
    return ground.book((policy,)).rule(facts).mask.bit_count()


def _bound(attach: Attachment) -> str:
    said = [f"{name} {', '.join(words)}" for name, words in asdict(attach).items() if words]
    return "; ".join(said) or "everybody"


def _counted(names: tuple[str, ...]) -> str:
    """Deployments by name; many by how many of each provider."""
    if not names:
        return ""
    told = Counter(name.partition("/")[0] for name in names)
    shown = [f"{provider} {count}" for provider, count in told.items()]
    return f"{len(names)}: {', '.join(names if len(names) <= _NAMED else shown)}"


def _caller(effect: compared.Effect) -> str:
    named = {name: getattr(effect, name) for name in ("tenant", "team", "key", "route")}
    return ", ".join(f"{name} {word}" for name, word in named.items() if word) or "all others"
