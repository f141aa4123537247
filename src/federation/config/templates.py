"""What `federation init` writes: files to be filled in that load as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from federation.config.variables import PROVIDER_VARIABLES, VARIABLES
from federation.domain.catalogue import Provider

_TEMPLATES = Path(__file__).with_name("templates")
_ENV_HEAD = """\
# Every variable that Federation reads. Copy this file to .env and fill in what you need: what
# stays commented out has no effect. Variables of the real environment win over the file.
# Also read, for every provider: <ID>_API_KEY, <ID>_API_BASE and
# FEDERATION_PROVIDER_<ID>_<KEY>, which overrides a key of its row. SWARMROUTER_<NAME> is
# read in the place of a missing FEDERATION_<NAME>.
"""


def starter_files(catalogue: Mapping[str, Provider]) -> dict[str, str]:
    """Path below the project's directory to content."""
    return {
        "config/providers.yaml": (_TEMPLATES / "providers.yaml").read_text("utf-8"),
        "config/federation.yaml": (_TEMPLATES / "federation.yaml").read_text("utf-8"),
        ".env.example": env_example(catalogue),
    }


def env_example(catalogue: Mapping[str, Provider]) -> str:
    """`.env.example`: a commented line for each variable, providers' keys by tier."""
    lines = [_ENV_HEAD, "# The gateway", ""]
    lines += [f"# {each.name}={each.example}    # {each.about}" for each in VARIABLES]
    lines += ["", "# Addresses, models and names at some providers", ""]
    written: set[str] = set()
    for provided in PROVIDER_VARIABLES:
        lines.append(f"# {provided.name}={provided.example}    # {provided.about}")
        written.add(provided.name)
    for tier in dict.fromkeys(row.tier for row in catalogue.values()):
        lines += ["", f"# Providers: {tier.value}", ""]
        for row in catalogue.values():
            if row.tier is tier:
                lines += _provider_lines(row, written)
    return "\n".join(lines) + "\n"


def _provider_lines(row: Provider, written: set[str]) -> Iterable[str]:
    for name, what in provider_variables(row).items():
        if name not in written:
            written.add(name)
            yield f"# {name}=    # {row.name}: {what}"


def provider_variables(row: Provider) -> dict[str, str]:
    """The variables that a catalogue row itself names, and what each is."""
    found = dict.fromkeys(row.env, "key")
    quirks = row.quirks
    placeholders = quirks.get("placeholders")
    if isinstance(placeholders, dict):
        found |= {str(name): f"{part} of its address" for part, name in placeholders.items()}
    bases = quirks.get("base_env")
    if isinstance(bases, list | tuple):
        found |= dict.fromkeys(map(str, bases), "address")
    headers = quirks.get("header_env")
    if isinstance(headers, dict):
        found |= {str(name): f"header {header}" for header, name in headers.items()}
    return found
