"""The closed lists that a file's words are checked against.

Names of wire languages and strategies stand here again, although other rooms own them:
configuration may import neither. A test keeps the lists equal.
"""

from __future__ import annotations

DIALECTS = frozenset(
    {
        "openai",
        "openai_responses",
        "anthropic",
        "gemini",
        "bedrock",
        "cohere",
        "ollama",
        "azure_openai",
        "vertex",
    }
)
STRATEGIES = (
    "quality_first",
    "cost_optimized",
    "speed",
    "balanced",
    "priority",
    "round_robin",
    "weighted_random",
    "least_latency",
    "least_connections",
    "consistent_hash",
    "local_first",
)
SCHEMES = ("none", "bearer", "header", "query", "sigv4", "oauth")
REMEDIES = ("disable_key", "enforce_policy", "open_approval")
"""What may be done about a violation without anybody's word: it can be undone, or somebody has
yet to approve it."""
MODALITIES = ("text", "image", "audio", "video", "pdf", "file")
UNITS = (
    *("image", "second", "character", "page", "request"),
    *("search", "web_search", "web_fetch"),
)

RESIDENCY = ("us", "eu", "uk", "apac", "cn", "other", "local")
# ISO 3166-1 alpha-2, in lower case.
_COUNTRIES = """
ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br
bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz
ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw
gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky
kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv
mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py
qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg
th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws ye yt za zm
zw
"""
REGIONS = frozenset(RESIDENCY) | frozenset(_COUNTRIES.split())

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
