"""What a load results in: frozen values, free of Pydantic and YAML.

Nothing here holds a secret that its repr would show; `Loaded.environ` is what credentials
are resolved from and is left out of the repr for that reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from federation.config.server_settings import Access, ServerSettings
from federation.config.sign_in_settings import AlertSettings, SignInSettings
from federation.domain.approvals import Granted
from federation.domain.catalogue import Provider
from federation.domain.limits import Limit
from federation.domain.policies import Policy
from federation.domain.routes import Route, Settings
from federation.errors import Problem


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """Which stores are shared with other replicas, as written: never with a password."""

    database: str | None = None
    redis: str | None = None
    replica: str | None = None


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """How much is said in the log, and in what form."""

    level: str = "info"
    format: str = "json"
    access_log: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """How the log of evidence is sealed, and where its checkpoints are put out of our reach."""

    checkpoint_s: float = 10.0
    heartbeat_s: float = 60.0
    anchors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remedying:
    """What is done by itself about violations that escalate, and how often a day at most."""

    actions: tuple[str, ...] = ()
    per_day: int = 10


@dataclass(frozen=True, slots=True)
class SealingSettings:
    """Where the keys are that seal whatever is kept of contents."""

    root: str = "file"
    """What the root key is of: `file`, `vault-transit:MOUNT/KEY` or `vault:MOUNT/PATH#FIELD`."""
    directory: str | None = None
    """Of the sealing keys; None is `keys` in the data directory."""
    tombstones: str | None = None
    """A further directory in which destroyed keys are named."""


@dataclass(frozen=True, slots=True)
class SecretsSettings:
    """How secrets are read that lie in a Vault."""

    refresh_s: float = 60.0
    lifetime_s: float = 3600.0
    """How long what was read last is used while the Vault cannot be asked."""


@dataclass(frozen=True, slots=True)
class Budgets:
    """Default budgets per user, in nano-dollars; None is no budget."""

    daily_nano: int | None = None
    monthly_nano: int | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """One reading of everything an operator decided."""

    settings: Settings
    providers: dict[str, Provider]
    """Every row of the catalogue and of the operator, merged; `credential` is filled in
    wherever one was named or found, as a reference."""
    configured: frozenset[str]
    """Providers that the operator named in a file or gave a credential or address for."""
    routes: dict[str, Route]
    server: ServerSettings = field(default_factory=ServerSettings)
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    budgets: Budgets = Budgets()
    limits: tuple[Limit, ...] = ()
    """Those of every tenant."""
    evidence: EvidenceSettings = EvidenceSettings()
    sealing: SealingSettings = SealingSettings()
    secrets: SecretsSettings = SecretsSettings()
    access: Access = field(default_factory=Access)
    sign_in: SignInSettings = field(default_factory=SignInSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    policies: tuple[Policy, ...] = ()
    policies_required: bool | None = None
    """True: none is an error, False: they may go; None: they may not go while it runs."""
    approve_files: bool = False
    """Whether what policies' files say binds only once somebody approved it."""
    approvers: frozenset[str] = frozenset()
    """Who alone approves, by the id under which they ask; empty: whoever is another person."""
    store_regions: tuple[str, ...] = ()
    """Where our own store lies; empty where nobody said."""
    remedying: Remedying = Remedying()
    approvals: tuple[Granted, ...] = ()
    """In force now, or soon."""
    digest: str = ""
    """SHA-256, in hex, of the files as read and of the variables that are no secrets."""
    files: tuple[Path, ...] = ()
    """What was read or would have been, had it existed: what to watch for a reload."""
    warnings: tuple[Problem, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment with the `.env` file underneath: what credentials resolve from."""

    @property
    def credentials(self) -> dict[str, str]:
        """Provider id to credential reference, for those that have one."""
        return {
            provider.id: provider.credential
            for provider in self.providers.values()
            if provider.credential is not None
        }
