"""Hosts and networks, as they are written in settings."""

from __future__ import annotations

import pytest

from federation.config import quantities


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Images.Corp.Internal.", "images.corp.internal"),
        ("minio", "minio"),
        ("10.2.3.4/16", "10.2.0.0/16"),
        ("10.2.3.4", "10.2.3.4/32"),
        ("fd00::/8", "fd00::/8"),
    ],
)
def test_a_host_or_a_network_is_kept_in_one_form(written: str, read: str) -> None:
    assert quantities.host_or_network(written) == read


@pytest.mark.parametrize(
    "written", ["", "https://x.test", "x.test/a", "*.x.test", "10.2.3.400", "-x"]
)
def test_what_is_neither_a_host_nor_a_network_is_said(written: str) -> None:
    with pytest.raises(ValueError, match="should be a host"):
        quantities.host_or_network(written)
