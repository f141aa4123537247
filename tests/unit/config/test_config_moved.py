"""Facts that rules rest on are facts of a host: a row that is moved keeps what holds there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from config_world import Load, a_catalogue

from federation.config.moved import moved
from federation.domain.catalogue import DataUse, Provider

Write = Callable[[str, str], Path]
Facts = tuple[bool, tuple[str, ...], frozenset[str], DataUse]

OPENAI, LOCAL = a_catalogue()["openai"], a_catalogue()["lmstudio"]
NOTHING: Facts = (False, (), frozenset(), DataUse.UNKNOWN)


def facts(row: Provider) -> Facts:
    return row.local, row.regions, row.certifications, row.data_use


def at(known: Provider, host: str, **quirks: object) -> Facts:
    known = replace(known, quirks=known.quirks | quirks)
    return facts(moved(replace(known, base_url=f"https://{host}/v1"), known, frozenset())[0])


@pytest.mark.parametrize(
    "host",
    [
        "proxy.test",
        "localhost",
        "10.0.0.7",
        "openai.com",
        "xapi.openai.com",
        "api.openai.com.cn",
        "api.openai.com.proxy.test",
    ],
)
def test_at_another_host_nothing_is_known(host: str) -> None:
    assert at(OPENAI, host) == NOTHING


def test_at_its_own_hosts_a_row_keeps_what_holds_there() -> None:
    hosts = {"eu": "https://api.eu.other.test/v1", "legacy": "https://old.test"}
    controls = {"uk": {"host": "https://uk.test"}, "us": {"set": {"geo": "us"}}}
    own = {"hosts": hosts, "region_controls": controls}
    company = (frozenset({"soc2"}), DataUse.NONE)
    assert at(OPENAI, "API.openai.com") == facts(OPENAI)
    assert at(OPENAI, "api.openai.com:8443") == facts(OPENAI)
    assert at(OPENAI, "eu.api.openai.com") == (False, (), *company), "below its own, anywhere"
    assert at(OPENAI, "api.eu.other.test", **own) == (False, ("eu",), *company)
    assert at(OPENAI, "uk.test", **own) == (False, ("uk",), *company)
    assert at(OPENAI, "old.test", **own) == (False, (), *company)


def test_a_host_that_fits_the_placeholders_is_the_row_s_own() -> None:
    azure = replace(a_catalogue()["azure_openai"], certifications=frozenset({"soc2"}))
    assert at(azure, "mine.openai.azure.com") == facts(azure)
    for host in ("a.b.openai.azure.com", "mine.openai.azure.com.test", "mine-openai.azure.com"):
        assert at(azure, host) == NOTHING
    for open_address in ("{url}/v2", "https://{host}/v2"):
        anywhere = replace(azure, base_url=open_address)
        assert at(anywhere, "mine.test") == facts(anywhere), "the operator's word from the start"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.2", "[::1]", "gpu-box", "my_ollama", "ollama.default.svc", "host.docker.internal",
     "10.0.0.7", "192.168.1.4", "100.64.0.9", "[fd00::7]", "[::ffff:10.0.0.7]", "BOX.local."],
)  # fmt: skip
def test_a_local_server_is_local_anywhere_in_its_own_network(host: str) -> None:
    assert at(LOCAL, host) == facts(LOCAL)


@pytest.mark.parametrize(
    "host",
    ["gpu.example.com", "8.8.8.8", "134744072", "0x08080808", "[2606:4700::1]", "local",
     "[::ffff:8.8.8.8]", "x.local.test", "internal.test"],
)  # fmt: skip
def test_a_local_server_on_the_internet_is_not_local(host: str) -> None:
    expected = facts(LOCAL) if host == "local" else NOTHING
    assert at(LOCAL, host) == expected


def test_what_an_operator_wrote_of_a_row_holds_wherever_it_stands(
    loading: Load, write: Write
) -> None:
    write(
        "providers.yaml",
        "- {id: openai, base_url: https://proxy.test/v1, regions: [eu], certifications: [gdpr]}\n"
        "- {id: lmstudio, local: true}\n"
        "- {id: second, extends: openai, base_url: https://else.test/v1, data_use: none}\n",
    )
    found = loading({"LMSTUDIO_API_BASE": "https://gpu.example.com/v1"})
    table = found.providers
    assert facts(table["openai"]) == (False, ("eu",), frozenset({"gdpr"}), DataUse.UNKNOWN)
    assert facts(table["second"]) == (False, (), frozenset(), DataUse.NONE), "proxy.test's are not"
    assert (table["lmstudio"].local, table["lmstudio"].regions) == (True, ())


def test_a_variable_that_moves_a_row_takes_its_facts_and_says_so(loading: Load) -> None:
    found = loading(
        {"OPENAI_API_BASE": "https://proxy.test/v1", "LMSTUDIO_API_BASE": "http://8.8.8.8/v1"}
    )
    assert facts(found.providers["openai"]) == NOTHING
    assert facts(found.providers["lmstudio"]) == NOTHING
    said = {problem.where: problem.message for problem in found.warnings}
    assert said["provider openai"] == (
        "moved to proxy.test, where nobody knows its region, its certifications, its data use: "
        "say it in its row"
    )
    assert "that it is local" in " ".join(map(str, found.warnings))
    unmoved = loading({"OPENAI_API_BASE": "https://api.openai.com/v2"})
    assert facts(unmoved.providers["openai"]) == facts(OPENAI)
    assert not [problem for problem in unmoved.warnings if "moved" in problem.message]


def test_what_somebody_moved_is_their_own_row_to_auto(loading: Load) -> None:
    assert OPENAI.sources
    moved = loading({"OPENAI_API_BASE": "http://127.0.0.1:4000/v1"}).providers["openai"]
    assert (facts(moved), moved.sources) == (NOTHING, ())
    below = loading({"OPENAI_API_BASE": "https://eu.api.openai.com/v1"}).providers["openai"]
    assert (below.certifications, below.sources) == (OPENAI.certifications, ())
    at_home = loading({"OPENAI_API_BASE": "https://api.openai.com/v2"}).providers["openai"]
    assert at_home.sources == OPENAI.sources
