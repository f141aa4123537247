"""`federation up`: look around, say what was found, and become `federation serve`.

The process is replaced at the end rather than continued: what looking around needed
(Pydantic, rich) would otherwise stay in the launcher's memory for as long as it runs. What
was found is handed over as a file of provider rows, named by a variable.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from federation.bootstrap.hold import holder
from federation.bootstrap.launcher import LaunchOptions, address_problem, data_problem, in_use
from federation.bootstrap.secret_sources import SecretSources
from federation.catalogue import reader as catalogue
from federation.cli import output, quick, sandboxing
from federation.cli.discovery import Found, discover
from federation.cli.failures import CommandFailed, Exit
from federation.config import paths
from federation.config.credentials import resolve_all
from federation.config.load import load
from federation.config.provider_sources import EXTRA_VARIABLE
from federation.config.providers import modelless
from federation.config.settings import Loaded
from federation.dialects.upstream_names import CHAT_UPSTREAMS
from federation.domain.catalogue import Deployment, Model, Provider
from federation.errors import ConfigError, Problem
from federation.routing.fleet import facts_known
from federation.storage.secrets import AdminKey, admin_key, master_key

_INDENT = 11
_ALLOW = "auto: {unknown: true} in config/federation.yaml"
_SIMULATED = """\
These are simulated: their answers are made up, and marked so. Set a
provider's key in the environment or .env, or run `federation init`,
to use real ones."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What this machine and its configuration offer."""

    loaded: Loaded
    usable: tuple[str, ...]
    """Configured providers that have the credential they need, or need none."""
    servers: tuple[Found, ...]
    unspoken: tuple[str, ...] = ()
    """Those that have it and whose dialect this build does not speak."""

    def left_out(self) -> list[str]:
        """Usable providers that `auto` passes over, for too little is known of them."""
        if self.loaded.settings.auto_unknown:
            return []
        rows = [self.loaded.providers[name] for name in self.usable]
        return [row.id for row in rows if not facts_known(_any_deployment(row))]

    def warnings(self) -> list[Problem]:
        """Those of the configuration that hold still, now that local servers were asked."""
        asked = {modelless(found.provider) for found in self.servers}
        return [warning for warning in self.loaded.warnings if warning not in asked]

    def example(self) -> str | None:
        """A model name that will be answered: `auto`, or one where `auto` reaches nobody."""
        passed_over = self.left_out()
        if self.servers or not self.usable or len(passed_over) < len(self.usable):
            return "auto"
        today = datetime.now(UTC).date().isoformat()
        for provider in passed_over:
            for model in self.loaded.providers[provider].models:
                if "chat" in model.operations and not (model.retires or "9") < today:
                    return f"{provider}/{model.id}"
        return None

    def named(self, provider: str) -> str:
        """A provider, with the variable that its credential comes from."""
        kind, _, rest = (self.loaded.providers[provider].credential or "").partition(":")
        return f"{provider} ({rest})" if kind == "env" else provider


def _any_deployment(row: Provider) -> Deployment:
    return Deployment(row.id, row, Model(row.id), usable=True)


def up(wishes: quick.Wishes, *, sandbox: bool | None) -> int:
    """Start the gateway with what is there. Returns only where it cannot be started."""
    options = quick.launch_options(wishes)
    if (running_here := holder(options.run)) is not None:
        raise CommandFailed(in_use(options.data, running_here), code="in_use")
    if problem := address_problem(options):
        raise CommandFailed(problem, code="address")
    with output.working("Looking around ..."):
        around = look_around(options)
    simulate = sandbox if sandbox is not None else not (around.usable or around.servers)
    if simulate and (around.usable or around.servers):
        raise CommandFailed(
            "The sandbox never runs beside real providers, and some are configured here: "
            + ", ".join([*around.usable, *(found.provider for found in around.servers)]),
            hint="Leave --sandbox out, or run `federation sandbox` by itself.",
            code="usage",
            exit_code=Exit.USAGE,
        )
    if problem := data_problem(options.data, options.run):
        raise CommandFailed(problem, code="data")
    admin = _keys(options, around)
    rows = [found.row() for found in around.servers]
    running = None
    if simulate:
        with output.working("Starting the sandbox ..."):
            running = sandboxing.start()
        rows += running.rows
        os.set_inheritable(running.lifeline, True)
    environ = dict(os.environ)
    if rows:
        environ[EXTRA_VARIABLE] = str(_handed_over(options.run, rows))
    simulated = [row["id"] for row in running.rows] if running is not None else []
    greet(options, around, simulated, admin)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, serve_command(options), environ)  # noqa: S606 - ourselves


def look_around(options: LaunchOptions) -> Surroundings:
    """Read the configuration and ask local ports. Raises `ConfigError`."""
    rows = catalogue.load()
    env_file = paths.env_file(options.config)
    environ = {name: value for name, value in os.environ.items() if name != EXTRA_VARIABLE}
    loaded = load(options.config, environ, rows, env_file)
    secrets = resolve_all(loaded, SecretSources(loaded.environ).read).secrets
    configured = {name: loaded.providers[name] for name in sorted(loaded.configured)}
    servers = discover(rows, configured, (options.host, options.port), secrets)
    answering = {server.provider for server in servers}
    usable = [
        name
        for name, row in configured.items()
        if row.enabled
        and row.models
        and name not in answering
        and (name in secrets or row.auth.scheme == "none")
    ]
    found = (*usable, *answering)
    spoken = {name for name in found if loaded.providers[name].dialect in CHAT_UPSTREAMS}
    return Surroundings(
        loaded,
        tuple(name for name in usable if name in spoken),
        tuple(server for server in servers if server.provider in spoken),
        tuple(name for name in found if name not in spoken),
    )


def serve_command(options: LaunchOptions) -> list[str]:
    """The command line of the same gateway, everything spelled out.

    -P: a file in the working directory must not stand in for one of our modules.
    """
    return [
        *(sys.executable, "-P", "-m", "federation.cli.main", "serve"),
        f"--host={options.host}",
        f"--port={options.port}",
        f"--workers={options.workers}",
        # Named, it would have to be there; ./config need not be.
        *([f"--config={options.config}"] if options.config.is_dir() else []),
        f"--data={options.data}",
        *(["--open"] if options.open else []),
    ]


def _keys(options: LaunchOptions, around: Surroundings) -> AdminKey:
    """The admin key, once a master key that is there is known to be good; control makes one, or
    misses it. Raises `ConfigError`."""
    try:
        vault = SecretSources(around.loaded.environ).read
        master_key(options.data, around.loaded.environ, vault)
        return admin_key(options.data, around.loaded.environ, vault)
    except UnicodeDecodeError as error:
        where = str(options.data)
        message = "a key file in it is not text: put the right one back"
        raise ConfigError([Problem(where, None, message)]) from error


def _handed_over(run: Path, rows: list[dict[str, object]]) -> Path:
    """The rows as a file that control reads, and reads again when it is restarted."""
    path = paths.found_file(run.absolute())
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"providers": rows}, indent=1), "utf-8")
    draft.replace(path)
    return path


def greet(
    options: LaunchOptions, around: Surroundings, simulated: list[str], admin: AdminKey
) -> None:
    """The panel: address, providers, and at the first start the admin key with a `curl`."""
    host = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host  # noqa: S104
    url = f"http://{f'[{host}]' if ':' in host else host}:{options.port or '<port>'}"
    text = Text()
    _line(text, "Gateway", f"{url}   (pages for people: {url}/docs)")
    if not options.port:
        _line(text, "", "a free port; the line `listening on` says which", "dim")
    _line(text, "Providers", ", ".join(map(around.named, around.usable)) or "none configured")
    for provider in around.unspoken:
        dialect = around.loaded.providers[provider].dialect
        found = f"found, but its wire language ({dialect}) is not spoken yet"
        _line(text, "", f"{found}: {around.named(provider)}", "dim")
    if left_out := around.left_out():
        _line(
            text,
            "",
            f"`auto` leaves out {', '.join(left_out)}: region or data use unknown\n"
            f"(to allow them: {_ALLOW})",
            "dim",
        )
    if around.servers:
        named = (f"{found.provider} ({len(found.models)} models)" for found in around.servers)
        _line(text, "Local", ", ".join(named))
    if simulated:
        _line(text, "Sandbox", ", ".join(simulated))
        _line(text, "", _SIMULATED, "yellow")
    _admin_lines(text, options, around, admin)
    _line(text, "Stop", "Ctrl-C")
    text.rstrip()
    output.panel(text, "Federation")
    if admin.made and (model := around.example()) is not None:
        output.say(_curl(url, admin.secret, model))
    for warning in around.warnings():
        output.note(f"warning: {warning}")


def _admin_lines(text: Text, options: LaunchOptions, around: Surroundings, admin: AdminKey) -> None:
    where = paths.admin_key_file(options.data)
    if admin.made:
        _line(text, "Admin key", admin.secret, "bold green")
        _line(text, "", f"shown this once; kept in {where}, readable by you only")
        return
    kept = "FEDERATION_ADMIN_KEY" if "FEDERATION_ADMIN_KEY" in around.loaded.environ else where
    _line(text, "Admin key", f"see {kept}")


def _line(text: Text, name: str, value: str, style: str = "") -> None:
    text.append(f"{name:<{_INDENT}}", style="bold")
    text.append(value.replace("\n", "\n" + " " * _INDENT) + "\n", style=style)


def _curl(url: str, secret: str, model: str) -> str:
    return (
        "Try it:\n\n"
        f"  curl {url}/v1/chat/completions \\\n"
        f'    -H "Authorization: Bearer {secret}" \\\n'
        '    -H "Content-Type: application/json" \\\n'
        f'    -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'\n'
    )
