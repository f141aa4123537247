"""Keys and tokens that say what they are: the prefixes that issuers give them so that
scanners find them.

The trap: an issuer's prefix is a few letters; the length after it is what keeps words out.
"""

from __future__ import annotations

import re
from typing import Final

from federation.guardrails import context_rules
from federation.guardrails import entities as kind
from federation.guardrails.entities import CERTAIN, Span
from federation.guardrails.nearby import Nearby
from federation.guardrails.patterns import compiled

_PREFIXES: Final = (
    rb"hf|r8|gsk|nvapi|fw|csk|esecret|pat|pul|xai|tvly|pplx|voyage|jina|cohere|together|dapi|fed"
    rb"|lsv2_pt|lsv2_sk|NRAK|HRKU|figd|ph[cx]|ntn|sbp|rubygems|pscale_(?:tkn|pw|oauth)|xkeysib|glc"
)
KEYS: Final = (
    rb"sk-(?:ant-|proj-|or-|svcacct-|admin-|lf-)?[A-Za-z0-9_-]{20,}",
    rb"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}",
    rb"AIza[0-9A-Za-z_-]{35}",
    rb"gh[pousr]_[A-Za-z0-9]{36,}",
    rb"github_pat_[A-Za-z0-9_]{22,}",
    rb"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas)-[A-Za-z0-9_-]{20,}",
    rb"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    rb"xapp-[0-9]-[A-Z0-9]{8,}-[0-9]+-[a-f0-9]{32,}",
    rb"(?:sk|rk|pk|whsec)_(?:live_|test_|prod_)?[A-Za-z0-9]{24,}",
    rb"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}",
    rb"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    rb"npm_[A-Za-z0-9]{36}",
    rb"pypi-[A-Za-z0-9_-]{50,}",
    rb"(?:" + _PREFIXES + rb")[_-][A-Za-z0-9_-]{24,}",
    rb"sq0(?:csp|atp)-[A-Za-z0-9_-]{22,}",
    rb"secret_[A-Za-z0-9]{43}",
    rb"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
    rb"dp\.(?:pt|st|sa|ct|scim|audit)\.[A-Za-z0-9]{40,}",
    rb"dt0[cs][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
    rb"EZ[AT]K[A-Za-z0-9]{54}",
    rb"EAACEdEose0cBA[A-Za-z0-9]{20,}",
    rb"ya29\.[A-Za-z0-9_-]{20,}",
    rb"GOCSPX-[A-Za-z0-9_-]{20,}",
    rb"do[opr]_v1_[0-9a-f]{64}",
    rb"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    rb"hv[sbr]\.[A-Za-z0-9_-]{24,}",
    rb"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}",
    rb"(?:key|pubkey)-[0-9a-f]{32}",
    rb"(?:SK|AC)[0-9a-f]{32}",
    rb"(?:bot)?[0-9]{8,10}:AA[A-Za-z0-9_-]{33}",
    rb"AGE-SECRET-KEY-1[0-9A-Z]{58}",
    rb"ATATT3[A-Za-z0-9_=-]{40,}",
    rb"lin_api_[A-Za-z0-9]{32,}",
    rb"dapi[0-9a-f]{32}",
    rb"sntrys_[A-Za-z0-9+/=_-]{40,}",
    rb"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}",
    rb"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
    rb"https://hooks\.[a-z]+\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}",
    rb"https://[a-z]+\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,}",
    rb"AccountKey=[A-Za-z0-9+/]{40,}={0,2}",
    rb"[?&](?:sig|X-Amz-Signature)=[A-Za-z0-9%+/]{32,}",
)
API_KEY: Final = rb"(?:\b|_)(?:" + b"|".join(KEYS[:-1]) + rb")|" + KEYS[-1]
TOKEN: Final = rb"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,3}"
"""RFC 7515 and 7516, compact: a header that begins with `{"`."""
URL: Final = rb"\b[a-z][a-z0-9+.-]{1,20}://"
_USER: Final = re.compile(rb"[^\t\n\f\r :/@\"'<>]{0,64}:([^\t\n\f\r /@\"'<>]{3,128})@")
"""RFC 3986, 3.2.1: a password in an address."""
PRIVATE_KEY_HEAD: Final = rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
PRIVATE_KEY_FOOT: Final = rb"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
PRIVATE_KEY_BODY: Final = (
    rb"(?:[\s\"'`+,\\|>]|[A-Za-z0-9+/=]|(?:Proc-Type|DEK-Info|Comment|Version): [^\n]*\n)*"
)
_NAME: Final = re.compile(
    rb"[a-z]{1,16}[0-9]{0,2}(?:[_-]+(?:[a-z]{1,16}[0-9]{0,2}|[0-9]{1,4}|[0-9]x?[0-9]{1,2}b)){2,}"
)
"""Words with dashes: what is called by a name that begins as somebody's keys do."""
_URL: Final = compiled(URL)
_SECRET: Final = compiled(context_rules.SECRET, ignore_case=True)


def is_key(value: bytes) -> bool:
    """Whether it is no name of a model or a variable: those are words."""
    return _NAME.fullmatch(value) is None


def in_urls(near: Nearby) -> list[Span]:
    """Passwords in addresses."""
    data = near.data
    found: list[Span] = []
    if b"@" not in data:
        return found
    at = 0
    while (url := _URL.first(data, at)) is not None:
        at = url[1]
        user = _USER.match(data, at)
        if user is not None:
            found.append(Span(*user.span(1), kind.SECRET, CERTAIN))
            at = user.end()
    return found


def beside_names(near: Nearby) -> list[Span]:
    """What stands beside a word for a secret and looks like one."""
    data = near.data
    found: list[Span] = []
    at = 0
    while (seen := _SECRET.first(data, at)) is not None:
        at = seen[1]
        start = at - context_rules.SECRET_BEGINS
        longest = start + context_rules.LONGEST_SECRET
        rest = context_rules.SECRET_GOES_ON.match(data, at, longest)
        if rest is not None:
            at = rest.end()
        if context_rules.is_secret(data[start:at]):
            found.append(Span(start, at, kind.SECRET, CERTAIN - 1))
    return found
