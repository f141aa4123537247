"""The guard: what a resolved address may be."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.domain import hosts

PUBLIC = ["8.8.8.8", "1.1.1.1", "104.18.7.192", "2606:4700::6812:7c0", "2a00:1450:4001:80b::200e"]

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.255.255",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "198.18.0.1",
    "192.0.2.1",
    "203.0.113.7",
    "192.88.99.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "100::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.1.2.3",
    "64:ff9b:1::192.168.0.1",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:a00:1::1",
    "2606:4700::5efe:192.168.0.1",
    "2606:4700::200:5efe:10.0.0.9",
]

METADATA = [
    "169.254.169.254",
    "169.254.169.253",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert hosts.forbidden([address], private=False) is None


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_needs_the_operators_leave(address: str) -> None:
    assert hosts.forbidden([address], private=False) is not None
    assert hosts.forbidden([address], private=True) is None


@pytest.mark.parametrize("address", METADATA)
def test_a_metadata_address_is_never_allowed(address: str) -> None:
    assert "metadata" in (hosts.forbidden([address], private=True) or "")
    assert hosts.forbidden([address], private=False) is not None


def test_one_bad_address_condemns_all() -> None:
    assert hosts.forbidden(["8.8.8.8", "10.0.0.1"], private=False) is not None
    assert hosts.forbidden(["8.8.8.8", "1.1.1.1"], private=False) is None
    assert hosts.forbidden(["10.0.0.1", "169.254.169.254"], private=True) is not None


def test_what_cannot_be_read_is_refused() -> None:
    assert hosts.forbidden(["not an address"], private=True) is not None


@pytest.mark.parametrize(
    "name",
    [
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
        "instance-data",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "１６９。254．１６９.254",
        "meta\N{SOFT HYPHEN}data.google.internal",
    ],
)
def test_a_metadata_name_is_never_allowed(name: str) -> None:
    assert hosts.forbidden_name(name, private=True) is not None


@pytest.mark.parametrize("name", ["localhost", "LocalHost.", "a.localhost", "127.0.0.1", "[::1]"])
def test_a_loopback_name_needs_the_operators_leave(name: str) -> None:
    assert hosts.forbidden_name(name, private=False) is not None
    assert hosts.forbidden_name(name, private=True) is None


def test_nothing_is_said_of_other_names() -> None:
    assert hosts.forbidden_name("api.example.com", private=False) is None
    assert hosts.forbidden_name("8.8.8.8", private=False) is None
    assert hosts.forbidden_name("134744072", private=False) is None
    for name in (
        "bücher.example",
        "ü" * 70,
        "fax",
        "0xx.1",
        "1.2.3.4.5",
        "999999999999",
        "0.a.fe.x",
    ):
        assert hosts.forbidden_name(name, private=False) is None


@pytest.mark.parametrize(
    "name",
    ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0XA9.254.43518", f"0x{0xA9FEA9FE:070x}"],
)
def test_a_historic_form_is_the_address_that_it_stands_for(name: str) -> None:
    assert hosts.forbidden_name(name, private=True) == "it is a cloud metadata service"


def test_a_historic_form_of_an_inside_address_needs_the_operators_leave() -> None:
    assert hosts.forbidden_name("0x7f.1", private=False) == "it is a loopback address"
    assert hosts.forbidden_name("0x7f.1", private=True) is None


_PARTS = st.one_of(
    st.sampled_from(("0", "00", "08", "0x", "0xg", "", "255", "256", "0377", "0xff", "1x")),
    st.integers(0, 2**33).map(str),
    st.integers(0, 2**33).map(hex),
    st.integers(0, 2**33).map("0{:o}".format),
    st.integers(0, 2**33).map("{:070o}".format),
    st.integers(0, 2**33).map("0x{:070x}".format),
)


@given(st.lists(_PARTS, min_size=1, max_size=5).map(".".join))
def test_historic_forms_are_those_that_the_c_library_reads(name: str) -> None:
    try:
        address = socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        assert hosts.forbidden_name(name, private=False) is None
    else:
        reason = hosts.forbidden([address], private=False)
        assert hosts.forbidden_name(name, private=False) == reason


def test_a_name_of_endless_digits_is_none_of_them() -> None:
    assert hosts.forbidden_name("1" * 10_000, private=False) is None


def test_historic_forms_are_no_literals() -> None:
    assert hosts.literal("2130706433") is None
    assert hosts.literal("0x7f.1") is None
    assert hosts.literal("[::1]") == ipaddress.ip_address("::1")


@given(st.ip_addresses(v=4))
def test_an_embedded_address_is_judged_like_itself(address: ipaddress.IPv4Address) -> None:
    plain = hosts.forbidden([str(address)], private=False) is None
    for carrier in (f"::ffff:{address}", f"64:ff9b::{address}", f"::ffff:0:{address}"):
        assert (hosts.forbidden([carrier], private=False) is None) == plain


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_allowed(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert hosts.forbidden([str(address)], private=False) is not None or hosts._carried(address)
