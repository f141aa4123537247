from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from config_world import Load, a_catalogue
from tls_front import tls_front

from federation.config.load import load
from federation.config.settings import Budgets
from federation.domain.catalogue import CATEGORIES, Auth, DataUse, Quality, Rates, Tier
from federation.domain.routes import Deadlines, Target, Weights

Write = Callable[[str, str], Path]
Refused = Callable[..., list[str]]

ISSUE_PROVIDERS = """\
# providers.yaml
providers:
  - id: acme
    dialect: openai
    base_url: http://127.0.0.1:9401/v1
    credential: env:ACME_KEY            # optional for servers without keys
    regions: [eu]
    certifications: [soc2, gdpr]
    models:
      - {id: acme-large, price: {input: 2.5, output: 10}, context: 128000, quality: {code: 0.9, default: 0.8}}
"""  # noqa: E501 - as the users' guide has it
ISSUE_FEDERATION = """\
# federation.yaml
routes:
  - {name: chat, strategy: priority, targets: [acme/acme-large, openai/gpt-6.1-sol]}
"""


def test_nothing_written_is_the_defaults(loading: Load) -> None:
    found = loading()
    assert (found.server.host, found.server.port, found.server.workers) == ("127.0.0.1", 8000, 1)
    assert found.configured == frozenset()
    assert found.routes == {}
    assert found.settings.strategy == "quality_first"
    assert found.budgets == Budgets()
    assert found.warnings == ()
    assert set(found.providers) == set(a_catalogue())


def test_a_configuration_directory_that_is_missing_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "none", {}, {}).providers == {}


def test_the_example_of_the_guide_loads_as_written(loading: Load, write: Write) -> None:
    write("providers.yaml", ISSUE_PROVIDERS)
    write("federation.yaml", ISSUE_FEDERATION)
    found = loading({"ACME_KEY": "secret-of-acme"})
    acme = found.providers["acme"]
    model = acme.models[0]
    assert found.configured == {"acme"}
    assert acme.credential == "env:ACME_KEY"
    assert (acme.dialect, acme.tier, acme.name) == ("openai", Tier.EMERGING, "acme")
    assert acme.base_url == "http://127.0.0.1:9401/v1"
    assert acme.auth == Auth()
    assert acme.private
    assert acme.regions == ("eu",)
    assert acme.certifications == {"soc2", "gdpr"}
    assert model.price.rates == Rates(2_500_000_000, 10_000_000_000)
    assert model.context == 128_000
    assert model.quality["code"] == Quality(0.9, 0.1, "operator")
    assert model.quality["default"].mean == 0.8
    assert model.maker
    route = found.routes["chat"]
    assert route.strategy == "priority"
    assert route.targets == (Target("acme/acme-large"), Target("openai/gpt-6.1-sol"))
    assert "secret-of-acme" not in repr(found)


def test_every_section_reaches_the_settings(loading: Load, write: Write) -> None:
    write(
        "federation.yaml",
        """
server:
  host: 0.0.0.0
  port: 9000
  workers: 3
  drain_s: 5
  trusted_proxies: [10.0.0.0/8, "::1"]
  limits: {body_bytes: 1000, head_s: 2.5}
storage: {durability: disk}
strategy: speed
weights: {quality: 1, speed: 0}
timeouts: {connect_s: 1, total_s: 30}
attempts_are_below: {}
auto: {unknown: true, other_hosts: true}
defaults: {model: openai/gpt-6-luna, max_tokens: 100, temperature: 0.5}
fields: {allow: [service_tier], deny: store}
upstream: {https_proxy: "http://u:hidden@proxy:3128", no_proxy: "a.test, b.test", attempts: 2}
telemetry: {level: debug, format: console, access_log: true}
budgets: {daily: 1.5, monthly: 20}
""".replace("attempts_are_below: {}\n", ""),
    )
    found = loading()
    server, chosen = found.server, found.settings
    assert (server.host, server.port, server.workers, server.drain_s) == ("0.0.0.0", 9000, 3, 5.0)
    assert server.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert (chosen.listener.body_bytes, chosen.listener.head_s) == (1000, 2.5)
    assert chosen.durability == "disk"
    assert chosen.strategy == "speed"
    assert chosen.weights == Weights(1.0, 0.0, 0.1, 0.1)
    assert chosen.deadlines == Deadlines(connect_s=1.0, total_s=30.0)
    assert (chosen.auto_unknown, chosen.other_hosts) == (True, True)
    assert chosen.default_model == "openai/gpt-6-luna"
    assert (chosen.max_tokens_default, chosen.temperature_default) == (100, 0.5)
    assert (chosen.allow_fields, chosen.deny_fields) == (("service_tier",), ("store",))
    assert chosen.proxy == "http://u:hidden@proxy:3128"
    assert chosen.no_proxy == ("a.test", "b.test")
    assert chosen.attempts == 2
    assert (found.telemetry.level, found.telemetry.format) == ("debug", "console")
    assert (chosen.access_log, chosen.log_level, chosen.log_format) == (True, "debug", "console")
    assert found.budgets == Budgets(1_500_000_000, 20_000_000_000)
    assert "hidden" not in repr(found)


def test_unknown_keys_are_refused_with_file_line_and_nearest_key(
    refused: Refused, write: Write
) -> None:
    write("federation.yaml", "server:\n  prot: 1\nrouts: []\ntimeouts:\n  connect: 3\n")
    write("providers.yaml", "- id: openai\n  enabeld: true\n  models:\n    - {id: x, contxt: 1}\n")
    assert refused() == [
        "federation.yaml:2: unknown key 'server.prot': did you mean 'port'?",
        "federation.yaml:3: unknown key 'routs': did you mean 'routes'?",
        "federation.yaml:5: unknown key 'timeouts.connect': did you mean 'connect_s'?",
        "providers.yaml:2: unknown key 'enabeld': did you mean 'enabled'?",
        "providers.yaml:4: unknown key 'models.0.contxt': did you mean 'context'?",
    ]


def test_a_key_that_resembles_nothing_is_refused_with_the_known_ones(
    refused: Refused, write: Write
) -> None:
    write("federation.yaml", "auto: {zzzz: 1}\n")
    assert refused() == ["federation.yaml:1: unknown key 'auto.zzzz' (known: other_hosts, unknown)"]


def test_a_category_of_tasks_that_nobody_reads_is_an_unknown_key(
    refused: Refused, write: Write
) -> None:
    write(
        "providers.yaml",
        """
- id: acme
  dialect: openai
  base_url: http://127.0.0.1:9401/v1
  models:
    - id: acme-large
      quality:
        default: 0.8
        cod: 0.9
        poetry: 0.7
""",
    )
    known = ", ".join(sorted(CATEGORIES))
    assert refused() == [
        "providers.yaml:9: unknown key 'models.0.quality.cod': did you mean 'code'?",
        f"providers.yaml:10: unknown key 'models.0.quality.poetry' (known: {known})",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server: {port: 70000}", "'server.port' should be less than or equal to 65535"),
        ("server: {port: x}", "'server.port' should be a whole number"),
        ("server: {workers: 0}", "'server.workers' should be greater than or equal to 1"),
        ("server: 3", "'server' should be a mapping"),
        ("server: {host: 'a b'}", "'server.host' should have no blanks"),
        ("server: {open: true, host: 0.0.0.0}", "'server.open' is only for a loopback address"),
        ("server: {trusted_proxies: [moon]}", "should be an IP address or network"),
        ("storage: {durability: disc}", "should be one of process, disk: did you mean 'disk'?"),
        ("strategy: qualty_first", "did you mean 'quality_first'?"),
        ("strategy: 7", "'strategy' should be one of"),
        ("weights: {quality: 0, speed: 0, cost: 0, reliability: 0}", "nothing would count"),
        ("weights: {quality: -1}", "should be greater than or equal to 0"),
        ("timeouts: {total_s: 700}", "should be less than or equal to 600"),
        ("routes: [{name: auto}]", "should not be 'auto'"),
        ("routes: [{name: a}, {name: a}]", "the route 'a' was already given"),
        ("routes: 5", "'routes' should be"),
        ("routes: [{}]", "'routes.0.name' is missing"),
        ("routes: [{name: a, targets: [3]}]", "'routes.0.targets.0' should be a mapping"),
        ("upstream: {https_proxy: 'ftp://x'}", "should be a proxy's address"),
        ("upstream: {attempts: 7}", "should be less than or equal to 6"),
        ("budgets: {daily: -1}", "should be zero or more"),
        ("budgets: {daily: [1]}", "should be a number"),
        ("[1, 2]", "should be a mapping of sections"),
        ("a: ]", "is not YAML"),
        ("server: {port: 1, port: 2}", "the key 'port' was already given in line 1"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(
    refused: Refused, write: Write, text: str, message: str
) -> None:
    write("federation.yaml", text)
    problems = refused()
    assert len(problems) == 1
    assert problems[0].startswith("federation.yaml:1: ")
    assert message in problems[0]


PEM = f"-----BEGIN CERTIFICATE-----\n{'AAAA' * 16}\n-----END CERTIFICATE-----\n"


def test_authorities_are_read_from_their_file_which_is_watched(
    loading: Load, write: Write, tmp_path: Path
) -> None:
    with tls_front(1, tmp_path) as (_, path):
        bundle = path.read_bytes()
    path.write_bytes("# Zertifikate für das Büro\n".encode("latin-1") + bundle + bundle)
    write("federation.yaml", f"upstream: {{ca_file: {path}}}")
    found = loading()
    assert found.settings.authorities.count("-----BEGIN") == 2
    assert "PRIVATE KEY" not in found.settings.authorities
    assert found.settings.authorities not in repr(found)
    assert path in found.files
    path.write_bytes(bundle)
    assert loading().digest != found.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "which cannot be read: No such file or directory"),
        ("", "which holds no certificate in PEM"),
        (PEM.replace("CERTIFICATE", "PRIVATE KEY"), "which holds no certificate in PEM"),
        (PEM, "which holds a certificate that is none"),
        ("x" * 1_048_577, "which has more than 1048576 bytes"),
    ],
)
def test_authorities_that_cannot_be_trusted_are_refused_with_the_line(
    refused: Refused, write: Write, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    write("federation.yaml", f"upstream:\n  attempts: 2\n  ca_file: {path}\n")
    assert refused() == [f"federation.yaml:3: 'upstream.ca_file' names {path}, {message}"]


def test_open_is_allowed_on_loopback(loading: Load, write: Write) -> None:
    write("federation.yaml", "server: {open: true, host: localhost}")
    assert loading().settings.open


# Routes


def test_a_target_that_does_not_exist_is_refused_with_the_nearest(
    refused: Refused, write: Write
) -> None:
    write(
        "federation.yaml",
        """
routes:
  - name: a
    targets:
      - openai/gpt-6.1-sun
      - opneai/gpt-6-luna
      - ollama/llama
      - gpt-6.1-sol
      - zzz
""",
    )
    start = "names the unknown deployment"
    assert refused() == [
        (
            f"federation.yaml:5: the route 'a' {start} 'openai/gpt-6.1-sun': "
            "did you mean 'openai/gpt-6.1-sol'?"
        ),
        (
            f"federation.yaml:6: the route 'a' {start} 'opneai/gpt-6-luna': "
            "did you mean 'openai/gpt-6-luna'?"
        ),
        (
            f"federation.yaml:7: the route 'a' {start} 'ollama/llama': "
            "'ollama' lists no models, add them under 'models'"
        ),
        (
            f"federation.yaml:8: the route 'a' {start} 'gpt-6.1-sol': "
            "did you mean 'openai/gpt-6.1-sol'?"
        ),
        f"federation.yaml:9: the route 'a' {start} 'zzz': write provider/model",
    ]


def test_a_mistake_in_a_provider_is_not_told_again_for_each_route_that_names_it(
    refused: Refused, write: Write
) -> None:
    write("providers.yaml", "providers:\n  - {id: acme, dialekt: openai}\n")
    write("federation.yaml", "routes: [{name: a, targets: [acme/large]}]")
    assert refused() == ["providers.yaml:2: unknown key 'dialekt': did you mean 'dialect'?"]


def test_a_file_of_providers_that_cannot_be_read_is_the_only_mistake_told(
    refused: Refused, write: Write
) -> None:
    write("providers.yaml", "providers:\n  - id: acme\n\tdialect: openai\n")
    write("federation.yaml", "routes: [{name: a, targets: [acme/large]}]")
    assert [line.partition(" ")[0] for line in refused()] == ["providers.yaml:3:"]


def test_an_unknown_model_of_a_known_provider_is_told_with_those_that_it_lists(
    refused: Refused, write: Write
) -> None:
    write(
        "providers.yaml",
        "- {id: acme, dialect: openai, base_url: 'http://127.0.0.1:9/v1', models: [big, tiny]}\n",
    )
    write("federation.yaml", "routes: [{name: a, targets: [acme/zzz]}]")
    assert refused()[0].endswith("unknown deployment 'acme/zzz': 'acme' lists big, tiny")


def test_a_section_without_anything_in_it_is_called_empty(refused: Refused, write: Write) -> None:
    write("federation.yaml", "server:\n  # port: 8001\n")
    assert refused() == [
        "federation.yaml:1: 'server' is empty: it should be a mapping, or left out"
    ]


def test_an_id_that_reads_as_a_number_is_told_to_be_quoted(refused: Refused, write: Write) -> None:
    write("providers.yaml", "- {id: 12, dialect: openai}\n")
    assert refused()[0].endswith("and no slash; a number needs quotes")


def test_a_target_may_be_an_alias_and_have_a_weight(loading: Load, write: Write) -> None:
    write(
        "federation.yaml",
        "routes: [{name: a, targets: [{deployment: openai/sol, weight: 3}, openai/gpt-6-luna]}]",
    )
    assert loading().routes["a"].targets == (
        Target("openai/gpt-6.1-sol", 3.0),
        Target("openai/gpt-6-luna", 1.0),
    )


def test_the_same_deployment_twice_in_a_route_is_refused(refused: Refused, write: Write) -> None:
    write("federation.yaml", "routes: [{name: a, targets: [openai/sol, openai/gpt-6.1-sol]}]")
    assert "names 'openai/gpt-6.1-sol' twice" in refused()[0]


def test_routes_may_be_a_mapping(loading: Load, write: Write) -> None:
    write(
        "federation.yaml",
        "routes:\n  a: [openai/sol]\n  b: {strategy: speed}\n  c:\n  d: openai/sol\n",
    )
    found = loading().routes
    assert found["a"].targets == found["d"].targets == (Target("openai/gpt-6.1-sol"),)
    assert found["b"].strategy == "speed"
    assert found["c"].strategy == "quality_first"


def test_a_route_stands_on_the_general_timeouts_and_strategy(loading: Load, write: Write) -> None:
    write(
        "federation.yaml",
        """
strategy: cost_optimized
timeouts: {connect_s: 1, idle_s: 9}
routes:
  - {name: a, timeouts: {idle_s: 3}, weights: {cost: 5}}
  - {name: b}
""",
    )
    found = loading().routes
    assert found["a"].deadlines == Deadlines(idle_s=3.0)
    assert found["a"].weights == Weights(cost=5.0)
    assert found["a"].strategy == "cost_optimized"
    assert (found["b"].deadlines, found["b"].weights) == (None, None)


# Providers


def test_a_row_overrides_the_catalogue_key_by_key(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        """
openai:
  name: Ours
  tier: cloud
  regions: EU, de
  certifications: [ISO27001]
  data_use: trains
  retention: 30 days
  limits: {rpm: 10}
  governed: [store]
  quirks: {drop: [seed], temperature_max: 0.5, set: {list: [1.5]}}
  enabled: false
""",
    )
    found = loading().providers["openai"]
    assert (found.name, found.tier, found.regions) == ("Ours", Tier.CLOUD, ("eu", "de"))
    assert found.certifications == {"iso27001"}
    assert (found.data_use, found.retention) == (DataUse.TRAINS, "30 days")
    assert (found.limits.rpm, found.limits.tpm) == (10, None)
    assert found.governed == ("store",)
    assert found.quirks == {
        "output_limit_field": "max_completion_tokens",
        "drop": ["seed"],
        "temperature_max": 0.5,
        "set": {"list": [1.5]},
    }
    assert not found.enabled
    assert found.base_url == "https://api.openai.com/v1"
    assert len(found.models) == 2


def test_models_are_added_to_the_catalogues_and_override_it(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        """
- id: openai
  models:
    - gpt-7
    - {id: gpt-6.1-sol, context: 5, aliases: [best], abilities: [tools], input_modalities: image}
    - id: claude-opus-5.5
      speed: {first_token_ms: 100, tokens_per_s: 50.5}
      quality: 0.7
      retires: 2027-01-01
      quirks: {json_mode: false}
""",
    )
    models = {model.id: model for model in loading().providers["openai"].models}
    assert list(models) == ["gpt-6.1-sol", "gpt-6-luna", "gpt-7", "claude-opus-5.5"]
    assert models["gpt-7"].maker
    sol = models["gpt-6.1-sol"]
    assert (sol.context, sol.aliases, sol.input_modalities) == (5, ("best",), ("image",))
    assert sol.price.rates.input == 2_000_000_000
    other = models["claude-opus-5.5"]
    assert not other.maker, "its maker is another provider of the catalogue"
    assert other.speed is not None
    assert other.speed.tokens_per_s == 50.5
    assert other.quality["default"].mean == 0.7
    assert other.retires == "2027-01-01"
    assert other.quirks == {"json_mode": False}


def test_models_may_replace_the_catalogues(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        "openai:\n  replace_models: true\n  models:\n    gpt-6.1-sol:\n    new: {context: 9}\n",
    )
    models = loading().providers["openai"].models
    assert [(model.id, model.context) for model in models] == [
        ("gpt-6.1-sol", 1_050_000),
        ("new", 9),
    ]


def test_a_price_has_tiers_windows_multipliers_and_units(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        """
openai:
  models:
    - id: gpt-6-luna
      price:
        input: "0.044"
        output: 1e-3
        cached: 0
        tiers: [{above: 200, input: 2}, {above: 100, input: 1}]
        windows:
          - {start: "22:30", end: "06:00", weekdays: [sun, 5], input: 1}
          - {start: 0:00, end: 24:00, input: 2}
          - {start: "10:00", end: "00:00", weekdays: mon, input: 3}
        multipliers: {EU: 1.1}
        units: {image: 0.04}
        batch: 0.5
""",
    )
    price = loading().providers["openai"].models[1].price
    assert price.rates == Rates(44_000_000, 1_000_000, 0)
    assert [tier.above for tier in price.tiers] == [100, 200]
    assert [(w.weekdays, w.start, w.end) for w in price.windows] == [
        ((7, 5), 1350, 1440),
        ((1, 6), 0, 360),
        ((1, 2, 3, 4, 5, 6, 7), 0, 1440),
        ((1,), 600, 1440),
    ]
    assert price.multipliers == {"eu": 1100}
    assert price.units == {"image": 40_000_000}
    assert price.batch_permille == 500


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("id: Open AI", "'id' should be lower-case letters"),
        ("id: 5", "'id' should be lower-case letters"),
        ("name: x", "'id' is missing"),
        ("id: opennai", "'opennai' is not in the catalogue: did you mean 'openai'?"),
        ("{id: new, dialect: openai}", "a new provider needs base_url"),
        ("{id: openai, dialect: opanai}", "unknown dialect 'opanai': did you mean 'openai'?"),
        ("{id: openai, tier: frontie}", "did you mean 'frontier'?"),
        ("{id: openai, regions: [mars]}", "unknown region 'mars'"),
        ("{id: openai, regions: [3]}", "should be a region"),
        ("{id: openai, certifications: [3]}", "should be a short name"),
        ("{id: openai, data_use: never}", "'data_use' should be one of none, trains, unknown"),
        ("{id: openai, base_url: 'ftp://a'}", "should begin with http://"),
        ("{id: openai, base_url: 'http://u:p@a'}", "should hold no user or password"),
        ("{id: openai, base_url: 'http://a/?k=1'}", "should hold no query"),
        ("{id: openai, base_url: 'http://a:99999'}", "should be an address"),
        ("{id: openai, base_url: 'http://a:0'}", "should name a port"),
        ("{id: openai, base_url: 7}", "should be an address"),
        ("{id: openai, base_url: 'http://169.254.169.254/v1'}", "a cloud metadata service"),
        ("{id: openai, base_url: 'http://0xa9fea9fe/v1'}", "a cloud metadata service"),
        ("{id: openai, base_url: 'http://metadata.google.internal'}", "a cloud metadata service"),
        ("{id: openai, credential: sk-123456}", "should be env:NAME, file:PATH or vault:"),
        ("{id: openai, credential: 'vault:x'}", "should name mount, path and field of a Vault"),
        ("{id: openai, credential: [x]}", "should be env:NAME, file:PATH or vault:"),
        ("{id: openai, credential: 'env:a b'}", "should be env:NAME, file:PATH or vault:"),
        ("{id: openai, auth: berer}", "did you mean 'bearer'?"),
        ("{id: openai, auth: {extra: {authorization: x}}}", "use 'credential'"),
        ("{id: openai, auth: {name: 'a b'}}", "should be the name of an HTTP header"),
        ("{id: openai, auth: {prefix: 'ä'}}", "should be printable ASCII"),
        ("{id: openai, limits: {rpm: 0}}", "should be greater than 0"),
        ("{id: openai, models: 3}", "'models' should be"),
        ("{id: openai, models: [{id: 'a b'}]}", "should have no blanks"),
        ("{id: openai, models: [{id: ''}]}", "should be a name of 1 to 200"),
        ("{id: openai, models: [{id: a, price: {input: x}}]}", "should be a number"),
        ("{id: openai, models: [{id: a, price: {input: .nan}}]}", "should be a number"),
        ("{id: openai, models: [{id: a, price: {input: true}}]}", "should be a number"),
        ("{id: openai, models: [{id: a, price: {input: 2000000}}]}", "USD per million tokens"),
        ("{id: openai, models: [{id: a, price: {input: 1e-10}}]}", "more than nine decimals"),
        ("{id: openai, models: [{id: a, price: {batch: 0.0001}}]}", "more than three decimals"),
        ("{id: openai, models: [{id: a, price: 3}]}", "'models.0.price' should be a mapping"),
        ("{id: openai, models: [{id: a, price: {units: {imag: 1}}}]}", "did you mean 'image'?"),
        (
            "{id: openai, models: [{id: a, price: {windows: [{start: 25:00, end: 1:00}]}}]}",
            "should be a time of day",
        ),
        (
            (
                "{id: openai, models: [{id: a, price: {windows: "
                "[{start: 1:00, end: 2:00, weekdays: [x]}]}}]}"
            ),
            "should be a weekday",
        ),
        ("{id: openai, models: [{id: a, quality: 2}]}", "should be less than or equal to 1"),
        ("{id: openai, models: [{id: a, abilities: [tool]}]}", "did you mean 'tools'?"),
        ("{id: openai, models: [{id: a, retires: soon}]}", "'models.0.retires'"),
        ("{id: openai, models: [{id: a, retires: 2027-02-30}]}", "should be a day"),
        ("{id: openai, models: [{id: a, context: true}]}", "should be a number"),
        (
            "{id: openai, models: [{id: a, speed: {first_token_ms: 1e400, tokens_per_s: 1}}]}",
            "should be less than or equal to",
        ),
        (
            "{id: openai, models: [{id: a, price: {tiers: [{above: 5}, {above: 5, input: 1}]}}]}",
            "should not name a threshold twice",
        ),
        ("{id: openai, extends: nobody}", "'extends' names an unknown provider 'nobody'"),
        ("{id: new, extends: new}", "goes in a circle: new -> new"),
        ("{id: openai, simulated: true}", "only for addresses of this machine"),
        ("5", "should be a mapping"),
        ("[]", "should be a mapping"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused(
    refused: Refused, write: Write, row: str, message: str
) -> None:
    write("providers.yaml", f"- {row}\n")
    problems = refused()
    assert len(problems) == 1, problems
    assert problems[0].startswith("providers.yaml:1: ")
    assert message in problems[0]
    assert "sk-123456" not in problems[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("providers: 3", "should be a list of providers"),
        ("providers: []\nother: 3", "unknown key 'other' beside 'providers'"),
        ("openai: 3", "should be a mapping of the provider's keys"),
        ("- {id: openai}\n- {id: openai}", "'openai' was already given in line 1"),
    ],
)
def test_a_file_of_another_shape_is_refused(
    refused: Refused, write: Write, text: str, message: str
) -> None:
    write("providers.yaml", text)
    assert message in refused()[0]


def test_the_three_shapes_of_the_file_mean_the_same(loading: Load, write: Write) -> None:
    results = []
    for text in (
        "- {id: openai, name: N}\n- anthropic",
        "providers: [{id: openai, name: N}, anthropic]",
        "openai: {name: N}\nanthropic:\n",
        "providers:\n  openai: {name: N}\n  anthropic: {}\n",
    ):
        write("providers.yaml", text)
        found = loading()
        results.append((found.providers["openai"].name, found.configured))
    assert results == [("N", frozenset({"openai", "anthropic"}))] * 4


def test_a_directory_is_read_in_name_order_and_later_wins(loading: Load, write: Write) -> None:
    write("providers.yaml", "- {id: openai, name: first, retention: kept}")
    write("providers/20.yaml", "- {id: openai, name: third}")
    write("providers/10.yaml", "- {id: openai, name: second}")
    write("providers/ignored.txt", "- {id: nobody}")
    found = loading().providers["openai"]
    assert (found.name, found.retention) == ("third", "kept")


def test_a_new_provider_may_be_completed_by_a_later_file(loading: Load, write: Write) -> None:
    write("providers.yaml", "- {id: new, dialect: openai}")
    write("providers/a.yaml", "- {id: new, base_url: 'https://new.test/v1/', local: true}")
    found = loading().providers["new"]
    assert found.base_url == "https://new.test/v1"
    assert found.local
    assert found.data_use is DataUse.UNKNOWN


def test_a_row_needs_no_key_where_the_one_that_it_extends_needs_none(
    loading: Load, write: Write
) -> None:
    write(
        "providers.yaml",
        """\
- {id: acme, dialect: openai, base_url: "http://10.0.0.1/v1", models: [m]}
- {id: next, extends: acme, base_url: "http://10.0.0.2/v1"}
- {id: last, extends: next}
""",
    )
    rows = loading({}).providers
    assert {rows[name].auth.scheme for name in ("acme", "next", "last")} == {"none"}
    rows = loading({"ACME_API_KEY": "k"}).providers
    assert {rows[name].auth.scheme for name in ("acme", "next", "last")} == {"bearer"}
    assert (rows["acme"].credential, rows["next"].credential) == ("env:ACME_API_KEY", None)


def test_a_second_account_extends_a_row(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        """
- {id: third, extends: second, enabled: true}
- {id: second, extends: openai, credential: env:SECOND, enabled: false}
- {id: eu, extends: openai, base_url: https://eu.openai.test/v1, regions: [eu]}
""",
    )
    found = loading({"OPENAI_API_KEY": "sk-main"})
    second, third, eu = (found.providers[name] for name in ("second", "third", "eu"))
    assert second.credential == "env:SECOND"
    assert not second.enabled
    assert len(second.models) == 2
    assert third.enabled
    assert third.credential == "env:OPENAI_API_KEY"
    assert eu.regions == ("eu",)
    assert eu.credential is None, "a key does not wander to another address"
    assert found.configured == {"second", "third", "eu", "openai"}


def test_extending_in_a_circle_is_refused(refused: Refused, write: Write) -> None:
    write("providers.yaml", "- {id: a, extends: b}\n- {id: b, extends: a}\n")
    assert refused() == ["providers.yaml:2: goes in a circle: a -> b -> a"]


def test_a_row_may_sign_in_another_way(loading: Load, write: Write) -> None:
    write(
        "providers.yaml",
        """
- {id: openai, auth: {scheme: header, name: X-Key}, credential: env:K}
- {id: anthropic, auth: bearer, credential: env:K}
- {id: n1, dialect: anthropic, base_url: https://n1.test, credential: file:/run/k}
- {id: n2, dialect: openai, base_url: https://n2.test, auth: none}
- {id: n3, dialect: openai, base_url: https://n3.test}
- {id: n4, dialect: openai, base_url: https://n4.test, auth: bearer}
- {id: openrouter, auth: {prefix: "Token ", extra: {X-Title: us}}, credential: env:K}
""",
    )
    found = loading().providers
    assert found["openai"].auth == Auth("header", "x-key", "")
    assert found["anthropic"].auth == Auth(extra={"anthropic-version": "2023-06-01"})
    assert found["n1"].auth.name == "x-api-key"
    assert found["n2"].auth.scheme == "none"
    assert found["n3"].auth.scheme == "none"
    assert found["n4"].auth.scheme == "bearer"
    assert found["openrouter"].auth == Auth(prefix="Token ", extra={"x-title": "us"})


def test_a_credential_over_plain_http_is_warned_of(loading: Load, write: Write) -> None:
    row = "- {id: n, dialect: openai, base_url: 'http://n.test', credential: env:K}"
    write("providers.yaml", row)
    assert "use https" in str(loading().warnings[0])


def test_a_simulated_row_is_allowed_on_this_machine(loading: Load, write: Write) -> None:
    row = "- {id: s, dialect: openai, base_url: 'http://[::1]:9', simulated: true}"
    write("providers.yaml", row)
    assert loading().providers["s"].simulated


# Digest and order


@pytest.mark.parametrize(
    ("written", "let"),
    [
        ("passthrough: {enabled: true, providers: [acme]}", ("acme",)),
        ("passthrough: {enabled: true}", ()),
        ("passthrough: {providers: [acme]}", ()),
        ("strategy: speed", ()),
    ],
)
def test_nothing_is_passed_through_unless_both_are_said(
    loading: Load, write: Write, written: str, let: tuple[str, ...]
) -> None:
    rules = "quirks: {passthrough: [{method: GET, path: /files, price: free}], embedding_batch: 8}"
    write("providers.yaml", f"- {{id: acme, dialect: openai, base_url: 'http://x', {rules}}}")
    write("federation.yaml", written)
    assert loading().settings.passthrough == let


def test_a_pass_through_to_nobody_is_a_mistake(refused: Refused, write: Write) -> None:
    write("federation.yaml", "passthrough:\n  enabled: true\n  providers: [opnai, openai]")
    unknown, empty = refused()
    assert "did you mean 'openai'?" in unknown
    assert "federation.yaml:3" in unknown
    assert "the row of 'openai' lets nothing through" in empty


def test_the_digest_follows_the_content(loading: Load, write: Write) -> None:
    first = loading().digest
    write("federation.yaml", "strategy: speed\n")
    second = loading().digest
    third = loading({"FEDERATION_PORT": "9"}).digest
    assert len({first, second, third}) == 3
    assert loading({"JWT_SECRET_KEY": "x" * 32}).digest == second


def test_all_problems_of_all_files_are_listed(refused: Refused, write: Write) -> None:
    write("federation.yaml", "routes: [{name: a, targets: [x/y]}]\nstrategy: [\n")
    write("providers.yaml", "- {id: openai, tier: x}\n- {id: zzz}\n")
    problems = refused({"JWT_SECRET_KEY": "short"})
    assert [problem.split(": ")[0] for problem in problems] == [
        "environment variable JWT_SECRET_KEY",
        "federation.yaml:3",
        "providers.yaml:1",
        "providers.yaml:2",
    ]


def test_the_files_to_watch_are_named(
    loading: Load, write: Write, config_dir: Path, tmp_path: Path
) -> None:
    write("providers/a.yaml", "- {id: openai, credential: 'file:/run/secret'}")
    found = loading({}, tmp_path / ".env")
    assert found.files == (
        config_dir / "federation.yaml",
        config_dir / "providers.yaml",
        config_dir / "providers" / "a.yaml",
        tmp_path / ".env",
        Path("/run/secret"),
    )
