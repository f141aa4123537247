"""Certificates of authorities that are trusted beside the system's, out of an operator's file.

The trap is a bundle's prose: names and remarks stand between the certificates, in any encoding.
Only the certificates are taken, and each must be one.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path

LIMIT = 1_048_576
_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)


def read_authorities(path: Path) -> str:
    """The certificates in a file, as PEM.

    Raises `ValueError` with the rest of a sentence that begins with the key's name.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except OSError as error:
        raise ValueError(f"names {path}, which cannot be read: {error.strerror}") from None
    if len(data) > LIMIT:
        raise ValueError(f"names {path}, which has more than {LIMIT} bytes")
    found = b"\n".join(_CERTIFICATE.findall(data)).decode("ascii")
    if not found:
        raise ValueError(f"names {path}, which holds no certificate in PEM")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
    except ssl.SSLError:
        raise ValueError(f"names {path}, which holds a certificate that is none") from None
    return found
