"""The environment variables that are honored, as data: what each sets and who reads it.

Names of vendors and of older products stand here because their users' environments hold
them. `.env.example` and the reference page are written from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

ALIAS_PREFIX = "SWARMROUTER_"
OWN_PREFIX = "FEDERATION_"
PROVIDER_PREFIX = "FEDERATION_PROVIDER_"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. `sets` is a dotted key of federation.yaml, empty where none is set."""

    name: str
    about: str
    sets: str = ""
    secret: bool = False
    example: str = ""


@dataclass(frozen=True, slots=True)
class ProviderVariable:
    """A vendor's or older product's variable for one provider.

    `key` is what of the row it sets: address, host, port, model, header:<name>, or
    placeholder:<name> in its base address. What a catalogue row itself names (`env`, and
    the quirks `base_env`, `placeholders`, `header_env`) need not stand here.
    """

    name: str
    provider: str
    key: str
    about: str
    example: str = ""


VARIABLES: tuple[Variable, ...] = (
    Variable("FEDERATION_CONFIG_DIR", "directory of the YAML files", example="config"),
    Variable("FEDERATION_DATA_DIR", "directory of keys, store and journals", example="data"),
    Variable("FEDERATION_PROVIDERS_FILE", "one more file of provider rows, read last"),
    Variable("FEDERATION_HOST", "address to listen on", "server.host", example="127.0.0.1"),
    Variable("FEDERATION_PORT", "port to listen on", "server.port", example="8000"),
    Variable("FEDERATION_WORKERS", "inference workers", "server.workers", example="2"),
    Variable("FEDERATION_OPEN", "ask for no key (loopback only)", "server.open", example="false"),
    Variable("FEDERATION_DRAIN_S", "seconds to finish after SIGTERM", "server.drain_s"),
    Variable("FEDERATION_STRATEGY", "strategy for `auto` and plain models", "strategy"),
    Variable("FEDERATION_DURABILITY", "process or disk", "storage.durability"),
    Variable("FEDERATION_DATABASE_URL", "PostgreSQL, instead of `storage.database`", secret=True),
    Variable("FEDERATION_REDIS_URL", "Redis, instead of `storage.redis`", secret=True),
    Variable("FEDERATION_REPLICA", "name among the replicas", "storage.replica"),
    Variable("FEDERATION_LOG_LEVEL", "debug, info, warning or error", "telemetry.level"),
    Variable("FEDERATION_LOG_FORMAT", "json or console", "telemetry.format"),
    Variable("FEDERATION_ACCESS_LOG", "a log line for each request", "telemetry.access_log"),
    Variable("FEDERATION_ADMIN_KEY", "the admin key, instead of <data>/admin.key", secret=True),
    Variable(
        "FEDERATION_MASTER_KEY",
        "64 hex digits under which keys are hashed, instead of <data>/master.key",
        secret=True,
    ),
    Variable("FEDERATION_PRESIDIO_CONF", "Presidio's configuration file, where it is installed"),
    Variable("FEDERATION_PRESIDIO_LANGUAGE", "language of the texts for Presidio", example="en"),
    Variable("FEDERATION_URL", "where the command line finds the gateway"),
    Variable("FEDERATION_API_KEY", "the key that the command line presents", secret=True),
    Variable("DEFAULT_MODEL", "model for calls that name none", "defaults.model"),
    Variable("MAX_TOKENS_DEFAULT", "output limit for calls without one", "defaults.max_tokens"),
    Variable("TEMPERATURE_DEFAULT", "temperature for calls without one", "defaults.temperature"),
    Variable("DEFAULT_DAILY_BUDGET", "USD per user and day", "budgets.daily"),
    Variable("DEFAULT_MONTHLY_BUDGET", "USD per user and month", "budgets.monthly"),
    Variable("ALLOWED_API_KEYS", "keys to accept, with commas between", secret=True),
    Variable("JWT_SECRET_KEY", "at least 32 bytes, for signed tokens of others", secret=True),
    Variable("DEBUG", "true logs at level debug", example="false"),
    Variable("HTTPS_PROXY", "proxy for https providers", "upstream.https_proxy", secret=True),
    Variable("HTTP_PROXY", "proxy for http providers", "upstream.http_proxy", secret=True),
    Variable("ALL_PROXY", "either, where not set", "upstream.https_proxy", secret=True),
    Variable("NO_PROXY", "hosts to reach without the proxy", "upstream.no_proxy"),
)

PLUG_IN_VARIABLES = ("FEDERATION_PRESIDIO_CONF", "FEDERATION_PRESIDIO_LANGUAGE")
"""Those that plug-ins read, in workers, off the process's environment."""

PROVIDER_VARIABLES: tuple[ProviderVariable, ...] = (
    ProviderVariable("LMSTUDIO_BASE_URL", "lmstudio", "address", "address of LM Studio"),
    ProviderVariable("LMSTUDIO_URL", "lmstudio", "address", "the same"),
    ProviderVariable("LMSTUDIO_HOST", "lmstudio", "host", "its host", "127.0.0.1"),
    ProviderVariable("LMSTUDIO_PORT", "lmstudio", "port", "its port", "1234"),
    ProviderVariable("LMSTUDIO_MODEL", "lmstudio", "model", "a model that it has loaded"),
    ProviderVariable("OPENROUTER_BASE_URL", "openrouter", "address", "address of OpenRouter"),
    ProviderVariable("OPENROUTER_MODEL", "openrouter", "model", "a further model of it"),
    ProviderVariable(
        "OPENROUTER_SITE_URL", "openrouter", "header:http-referer", "your site, for its rankings"
    ),
    ProviderVariable(
        "OPENROUTER_APP_NAME", "openrouter", "header:x-title", "your application's name there"
    ),
    ProviderVariable("AZURE_API_BASE", "azure_openai", "address", "address of Azure OpenAI"),
    ProviderVariable("AZURE_OPENAI_DEPLOYMENT", "azure_openai", "model", "a deployment's name"),
    ProviderVariable("AWS_DEFAULT_REGION", "bedrock", "placeholder:region", "region of Bedrock"),
)

WITHOUT_EFFECT: dict[str, str] = dict.fromkeys(
    ("AZURE_API_VERSION", "AZURE_OPENAI_API_VERSION"),
    "the path /openai/v1 is spoken, which has no versions to choose from",
)
"""Variables that others read for a provider and that change nothing here, each with the reason."""

# Where a second instance of a local server usually listens: the catalogue names the first.
FURTHER_PORTS: dict[str, tuple[int, ...]] = {"vllm": (8001,)}


def variable_word(provider: str) -> str:
    """A provider's id as it stands in a variable's name: `black-forest` is BLACK_FOREST."""
    return "".join(char if char.isalnum() else "_" for char in provider).upper()
