"""The published vectors of AES-GCM and Ed25519 (Wycheproof) through the code that we use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from shared_data import shared

from federation.errors import Unavailable
from federation.evidence.signing import verified
from federation.storage.sealing_roots import opened_under
from federation_verify.signed import is_signed


def groups(name: str) -> list[dict[str, Any]]:
    found = json.loads(shared(f"vectors/wycheproof/{name}").read_bytes())
    made: list[dict[str, Any]] = found["testGroups"]
    return made


def test_keys_are_unwrapped_as_the_vectors_say_and_every_forged_one_is_refused() -> None:
    seen = {"valid": 0, "invalid": 0}
    for group in groups("aes_gcm_test.json"):
        if (group["keySize"], group["ivSize"]) != (256, 96):
            continue
        for test in group["tests"]:
            key, iv, aad, msg, ct, tag = (
                bytes.fromhex(test[name]) for name in ("key", "iv", "aad", "msg", "ct", "tag")
            )
            seen[test["result"]] += 1
            if test["result"] == "valid":
                assert opened_under(key, iv + ct + tag, aad, "v") == msg, test["tcId"]
            else:
                with pytest.raises(Unavailable):
                    opened_under(key, iv + ct + tag, aad, "v")
    assert seen == {"valid": 39, "invalid": 27}


def test_no_forged_vector_of_any_size_opens() -> None:
    count = 0
    for group in groups("aes_gcm_test.json"):
        for test in group["tests"]:
            if test["result"] != "invalid":
                continue
            count += 1
            key, iv, aad, ct, tag = (
                bytes.fromhex(test[name]) for name in ("key", "iv", "aad", "ct", "tag")
            )
            with pytest.raises((InvalidTag, ValueError)):
                AESGCM(key).decrypt(iv, ct + tag, aad)
    assert count == 87


def test_both_verifiers_take_every_good_signature_and_refuse_every_bad_one() -> None:
    seen = {"valid": 0, "invalid": 0}
    for group in groups("ed25519_test.json"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
            good = test["result"] == "valid"
            seen[test["result"]] += 1
            assert verified(public, signature, message) is good, test["tcId"]
            assert is_signed(public, signature, message) is good, test["tcId"]
    assert seen == {"valid": 88, "invalid": 63}
