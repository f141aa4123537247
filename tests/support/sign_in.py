"""A key pair for the tests of signing in."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class KeyPair:
    """A private key as text, and what checks its signatures."""

    pem: str
    public: rsa.RSAPublicKey
    public_pem: str


def new_key_pair() -> KeyPair:
    """A fresh RSA key of 2048 bits; takes a tenth of a second."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(pem.decode(), key.public_key(), public_pem.decode())
