"""RSA-SHA256 signatures and the JWTs made with them (RFC 7515, RFC 7519, RFC 7518 3.3).

The key's mathematics are not checked when it is loaded: that takes 80 ms, which is four
times what may hold a worker's loop, and it would only tell operators what the token endpoint
tells them. A key that cannot be used at all is refused here.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from federation.credentials.plans import unusable

_SHORTEST_BITS = 2048


class RsaKey:
    """A private key, ready to sign; its `repr` shows nothing of it."""

    __slots__ = ("_key",)

    def __init__(self, pem: str) -> None:
        """Read a key in PEM form. Raises `ConfigError` for anything but an RSA key of 2048
        bits or more that needs no passphrase."""
        # A key that came through a variable often has its line breaks written out.
        text = pem.replace("\\n", "\n").encode()
        try:
            key = load_pem_private_key(text, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise unusable(
                "the private key cannot be read: it should be PEM without a passphrase"
            ) from None
        if not isinstance(key, RSAPrivateKey) or key.key_size < _SHORTEST_BITS:
            raise unusable(f"the private key is not an RSA key of {_SHORTEST_BITS} bits or more")
        self._key = key

    def sign(self, data: bytes) -> bytes:
        """The PKCS #1 v1.5 signature over SHA-256 of `data`."""
        return self._key.sign(data, PKCS1v15(), SHA256())


def jwt(key: RsaKey, claims: Mapping[str, object], *, key_id: str = "") -> str:
    """A signed JWT with the algorithm RS256."""
    head = {"alg": "RS256", "typ": "JWT", **({"kid": key_id} if key_id else {})}
    signed = _encoded(msgspec.json.encode(head)) + b"." + _encoded(msgspec.json.encode(claims))
    return (signed + b"." + _encoded(key.sign(signed))).decode()


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
