"""TLS towards providers: the system's trust store, verified names, HTTP/1.1 only.

The trap: reading the trust store takes tens of milliseconds, so a context is built once, at the
first https connection (and again when others are trusted), and off the event loop.
"""

from __future__ import annotations

import ssl
from pathlib import Path

# Where systems keep the store when Python was built elsewhere and looks in the wrong place.
_STORES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def client_context(authorities: str = "") -> ssl.SSLContext:
    """Return a context that trusts the system's store and these certificates, as PEM.

    Raises `ssl.SSLError` where they are none.
    """
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        found = next((store for store in _STORES if Path(store).is_file()), None)
        if found is not None:
            context.load_verify_locations(cafile=found)
    if authorities:
        context.load_verify_locations(cadata=authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context
