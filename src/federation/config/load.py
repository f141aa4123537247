"""Read everything that an operator decided into one frozen value, or say all that is wrong.

Slow by the standards of the hot path (tens of milliseconds) and never called from it:
control loads, workers receive a snapshot. Nothing is read twice, nothing is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from federation.config import (
    credentials,
    document,
    environment,
    policies,
    provider_files,
    rate_limits,
    sign_in,
    strays,
    watch,
)
from federation.config.authorities import read_authorities
from federation.config.document import Document, Path_
from federation.config.environment import Environment
from federation.config.nearest import unknown_word
from federation.config.problems import translate
from federation.config.provider_files import Entry
from federation.config.provider_sources import extra, sources
from federation.config.providers import Merge
from federation.config.quantities import is_loopback
from federation.config.routes import resolve_routes, unknown_default, weights
from federation.config.sections import FederationFile
from federation.config.server_settings import ServerSettings
from federation.config.settings import (
    Budgets,
    EvidenceSettings,
    Loaded,
    Remedying,
    SealingSettings,
    SecretsSettings,
    StorageSettings,
    TelemetrySettings,
)
from federation.config.variables import VARIABLES
from federation.domain.catalogue import Provider
from federation.domain.routes import (
    Admission,
    Deadlines,
    Keeping,
    ListenerLimits,
    Overflow,
    PayloadKeeping,
    Route,
    Settings,
    Spending,
)
from federation.errors import ConfigError, Problem


def load(
    config_dir: Path,
    environ: Mapping[str, str],
    catalogue: dict[str, Provider],
    env_file: Path | None = None,
) -> Loaded:
    """Everything decided in `config_dir`, `environ` and `env_file`, over `catalogue`.

    Missing files mean defaults. Raises `ConfigError` with every problem found, in the
    order of the files and their lines.
    """
    found = environment.gather(environ, env_file)
    problems = found.problems
    access = environment.access(found)
    whole, where = _federation_file(config_dir, found, problems)
    merge, more, whole_list = _providers(config_dir, catalogue, found)
    routes = _routes(whole, where, merge, problems, whole_list=whole_list)
    strays.check(config_dir, more, problems)
    rules = policies.read(config_dir, merge.table, routes, problems)
    if whole.governance.required and not rules:
        problems.append(where.problem(("governance", "required"), policies.none_in(config_dir)))
    _check(whole, where, merge.table, problems)
    signing_in = sign_in.sign_in(whole.sign_in, where, problems)
    alerts = sign_in.alerts(whole.alerts, where, problems)
    limited = rate_limits.limits(whole.rate_limits, where, problems)
    trusted = _authorities(whole, where, problems)
    if problems:
        raise ConfigError(_ordered(problems))
    paths = (*watch.watched(config_dir, env_file), *more, *_named(whole))
    return Loaded(
        settings=_settings(whole, trusted),
        providers=merge.table,
        configured=frozenset(merge.configured),
        routes=routes,
        server=_server(whole),
        storage=StorageSettings(**whole.storage.model_dump(exclude={"durability", "region"})),
        telemetry=TelemetrySettings(**whole.telemetry.model_dump()),
        budgets=Budgets(whole.budgets.daily, whole.budgets.monthly),
        limits=limited,
        evidence=EvidenceSettings(**whole.evidence.model_dump()),
        sealing=SealingSettings(**whole.sealing.model_dump()),
        secrets=SecretsSettings(**whole.secrets.model_dump()),
        access=access,
        sign_in=signing_in,
        alerts=alerts,
        policies=rules,
        policies_required=whole.governance.required,
        approve_files=whole.governance.approve_files,
        approvers=frozenset(whole.governance.approvers),
        remedying=Remedying(whole.governance.remedies, whole.governance.remedies_per_day),
        store_regions=whole.storage.region,
        digest=_digest(paths, found),
        files=(*paths, *credentials.files(merge.table.values(), found.values)),
        warnings=(*found.warnings, *merge.warnings, *sign_in.unused(found, signing_in)),
        environ=found.values,
    )


def _providers(
    config_dir: Path, catalogue: dict[str, Provider], found: Environment
) -> tuple[Merge, list[Path], bool]:
    """The providers, the files that the environment names, and whether every row could be read."""
    told = len(found.problems)
    more = extra(found.values, found.problems)
    merge = Merge(catalogue, found.values, found.places, found.problems)
    merge.run(_entries([*sources(config_dir), *more], catalogue, found))
    return merge, more, len(found.problems) == told


def _entries(
    files: list[Path], catalogue: Mapping[str, Provider], found: Environment
) -> list[Entry]:
    """What operators say of providers: in files, then over them in the environment."""
    entries = provider_files.read(files, found.problems)
    known = {*catalogue, *(entry.row.id for entry in entries)}
    return entries + provider_files.overrides(found.values, found.places, known, found.problems)


def _federation_file(
    config_dir: Path, found: Environment, problems: list[Problem]
) -> tuple[FederationFile, Document]:
    path = config_dir / "federation.yaml"
    where = document.read(path, str(path))
    problems += where.problems
    if where.value is None:
        where.value = {}
    if not isinstance(where.value, dict):
        problems.append(where.problem((), "should be a mapping of sections"))
        return FederationFile(), where
    where.enlist(("routes",), "name")
    routes = where.at(("routes",))
    for at, row in enumerate(routes if isinstance(routes, list) else []):
        if isinstance(row, dict) and "" in row:
            where.put(("routes", at, "targets"), row.pop(""))
    environment.lay_over(found, where)
    try:
        return FederationFile.model_validate(where.value), where
    except ValidationError as error:
        problems += translate(error, FederationFile, where, ())
        return FederationFile(), where


def _routes(
    whole: FederationFile,
    where: Document,
    merge: Merge,
    problems: list[Problem],
    *,
    whole_list: bool,
) -> dict[str, Route]:
    """The routes; a default model that is none of them, and nobody's, is warned of."""
    routes = resolve_routes(whole, where, merge.table, problems, whole_list=whole_list)
    merge.warnings += unknown_default(whole, where, merge.table, routes)
    return routes


def _check(
    whole: FederationFile,
    where: Document,
    providers: Mapping[str, Provider],
    problems: list[Problem],
) -> None:
    """What one key of the file says of another, or of the providers."""
    _check_open(whole, where, problems)
    _check_passthrough(whole, where, providers, problems)
    _check_overflow(whole, where, providers, problems)


def _check_open(whole: FederationFile, where: Document, problems: list[Problem]) -> None:
    if whole.server.open and not is_loopback(whole.server.host):
        message = "'server.open' is only for a loopback address: others need keys"
        problems.append(where.problem(("server", "open"), message))


def _check_passthrough(
    whole: FederationFile,
    where: Document,
    providers: Mapping[str, Provider],
    problems: list[Problem],
) -> None:
    for at, name in enumerate(whole.passthrough.providers):
        path: Path_ = ("passthrough", "providers", at)
        if name not in providers:
            problems.append(where.problem(path, unknown_word("provider", name, providers)))
        elif not providers[name].quirks.get("passthrough"):
            message = f"the row of '{name}' lets nothing through: give it the quirk 'passthrough'"
            problems.append(where.problem(path, message))


def _check_overflow(
    whole: FederationFile,
    where: Document,
    providers: Mapping[str, Provider],
    problems: list[Problem],
) -> None:
    for at, name in enumerate(whole.overflow.providers):
        path: Path_ = ("overflow", "providers", at)
        if name not in providers:
            problems.append(where.problem(path, unknown_word("provider", name, providers)))
        elif providers[name].local:
            message = f"'{name}' is a host of your own: calls spill to others"
            problems.append(where.problem(path, message))


def _settings(whole: FederationFile, authorities: str) -> Settings:
    return Settings(
        strategy=whole.strategy,
        weights=weights(whole.weights),
        deadlines=Deadlines(**whole.timeouts.model_dump()),
        listener=ListenerLimits(**whole.server.limits.model_dump()),
        default_model=whole.defaults.model,
        max_tokens_default=whole.defaults.max_tokens,
        temperature_default=whole.defaults.temperature,
        attempts=whole.upstream.attempts,
        mend=whole.mend,
        auto_unknown=whole.auto.unknown,
        other_hosts=whole.auto.other_hosts,
        open=whole.server.open,
        response_bytes=whole.upstream.response_bytes,
        proxy=whole.upstream.https_proxy,
        http_proxy=whole.upstream.http_proxy,
        no_proxy=whole.upstream.no_proxy,
        authorities=authorities,
        deny_fields=whole.fields.deny,
        allow_fields=whole.fields.allow,
        content_hosts=whole.upstream.content_hosts,
        responses=Keeping(**whole.responses.model_dump()),
        payloads=PayloadKeeping(**whole.payloads.model_dump()),
        admission=Admission(**whole.admission.model_dump()),
        overflow=Overflow(**whole.overflow.model_dump()),
        spending=Spending(whole.budgets.lower, whole.budgets.wait_s, whole.budgets.cheaper),
        passthrough=whole.passthrough.providers if whole.passthrough.enabled else (),
        access_log=whole.telemetry.access_log,
        log_level=whole.telemetry.level,
        log_format=whole.telemetry.format,
        durability=whole.storage.durability,
    )


def _named(whole: FederationFile) -> tuple[Path, ...]:
    """Files that belong to the configuration because `federation.yaml` names them."""
    return () if whole.upstream.ca_file is None else (Path(whole.upstream.ca_file),)


def _authorities(whole: FederationFile, where: Document, problems: list[Problem]) -> str:
    try:
        return "".join(map(read_authorities, _named(whole)))
    except ValueError as error:
        problems.append(where.problem(("upstream", "ca_file"), f"'upstream.ca_file' {error}"))
        return ""


def _server(whole: FederationFile) -> ServerSettings:
    return ServerSettings(**whole.server.model_dump(exclude={"limits"}))


def _ordered(problems: list[Problem]) -> list[Problem]:
    unique = list(dict.fromkeys(problems))
    files = {problem.where: at for at, problem in reversed(list(enumerate(unique)))}
    return sorted(unique, key=lambda each: (files[each.where], each.line or 0))


def _digest(paths: tuple[Path, ...], found: Environment) -> str:
    """Secrets are left out: a digest is shown, and a short secret could be guessed from it."""
    whole = hashlib.sha256()
    for path in paths:
        if path.name != ".env" and path.is_file():
            whole.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    for variable in VARIABLES:
        if not variable.secret and variable.name in found.values:
            whole.update(f"{variable.name}={found.values[variable.name]}\0".encode())
    return whole.hexdigest()
