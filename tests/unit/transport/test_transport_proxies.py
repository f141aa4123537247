"""Which proxy stands before an origin."""

from __future__ import annotations

import base64

import pytest

from federation.errors import ConfigError
from federation.schema.http import Origin
from federation.transport.proxies import DIRECT, Proxies, Proxy, parse


def https(host: str, port: int = 443) -> Origin:
    return Origin("https", host, port)


def test_nothing_configured_is_direct() -> None:
    assert parse() == DIRECT
    assert DIRECT.choose(https("api.example.com")) is None


def test_each_scheme_has_its_own_proxy() -> None:
    proxies = parse(https="http://a.example:3128", http="b.example")
    assert proxies.choose(https("x.org")) == Proxy("http", "a.example", 3128)
    assert proxies.choose(Origin("http", "x.org", 80)) == Proxy("http", "b.example", 80)
    assert proxies.choose(Origin("http+unix", "control", 0, "/run/x.sock")) is None
    assert parse(https="https://p.example").https == Proxy("https", "p.example", 443)


def test_credentials_are_decoded_and_not_shown() -> None:
    proxy = parse(https="http://us%40er:p%3Aw@proxy.example:8080").https
    assert proxy is not None
    assert proxy.authorization == b"Basic " + base64.b64encode(b"us@er:p:w")
    assert "p:w" not in repr(proxy)
    assert proxy.authorization.decode() not in repr(Proxies(https=proxy))
    only_user = parse(https="http://me@proxy.example").https
    assert only_user is not None
    assert only_user.authorization == b"Basic " + base64.b64encode(b"me:")


@pytest.mark.parametrize(
    "text", ["socks5://p.example:1080", "http://", "http://p.example:port", "http://u:secret@"]
)
def test_an_unusable_address_is_a_problem_that_keeps_the_secret(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(https=text)
    assert "HTTPS_PROXY" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("rules", "host", "port", "direct"),
    [
        ("*", "x.org", 443, True),
        ("x.org", "x.org", 443, True),
        ("x.org", "api.x.org", 443, True),
        ("x.org", "ax.org", 443, False),
        (".x.org", "api.x.org", 443, True),
        ("*.x.org", "api.x.org", 443, True),
        ("X.Org", "API.x.org.", 443, True),
        ("x.org:8443", "x.org", 8443, True),
        ("x.org:8443", "x.org", 443, False),
        ("a.org, b.org  c.org", "c.org", 443, True),
        ("8.8.8.8", "8.8.8.8", 443, True),
        ("8.8.8.8:443", "8.8.8.8", 443, True),
        ("8.8.0.0/16", "8.8.8.8", 443, True),
        ("8.9.0.0/16", "8.8.8.8", 443, False),
        ("8.8.8.8", "x.org", 443, False),
        ("x.org", "8.8.8.8", 443, False),
        ("2606:4700::/32", "2606:4700::1", 443, True),
        ("[2606:4700::1]:443", "[2606:4700::1]", 443, True),
        ("[2606:4700::1]:444", "[2606:4700::1]", 443, False),
        ("[2606:4700::1]", "2606:4700::1", 443, True),
        (".", "x.org", 443, False),
        ("", "x.org", 443, False),
    ],
)
def test_no_proxy_rules(rules: str, host: str, port: int, direct: bool) -> None:
    proxies = parse(https="http://p.example:3128", no_proxy=rules)
    assert (proxies.choose(https(host, port)) is None) is direct


@pytest.mark.parametrize("host", ["localhost", "x.localhost.", "127.0.0.1", "[::1]", "::1"])
def test_this_host_is_never_asked_for_through_a_proxy(host: str) -> None:
    proxies = parse(https="http://p.example:3128", http="http://p.example:3128")
    assert proxies.choose(https(host)) is None
    assert proxies.choose(Origin("http", host, 11434)) is None
