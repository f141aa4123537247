"""What an attempt to set a model's instructions aside looks like.

The trap: everybody ignores, skips and overrides things. So the verb and a word for rules count
together only in part; whose rules they are, or which, says the rest. And whoever asks that rules
be *not* ignored attacks nobody.

Patterns run over the text in lower case, byte by byte: a class in brackets holds ASCII only.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.attacks import OVERRIDE, Tripwire

_RULES: Final = (
    r"(?:instruction|rule|guideline|prompt|directive|command|polic(?:y|ies)|restriction|"
    r"programming|training|constraint|message|order|context|direction|conversation|limitation|"
    r"filter|safeguard|safety)s?"
)
_GAP: Final = r"[^.!?\n]{0,40}?"
_NO: Final = (
    r"(?:no|without|free (?:of|from)|any|freed from|lacks?|devoid of|not bound by|bypass(?:es)?)"
)

_TURN_FROM: Final = (
    r"(?:ignor(?:e|es|ing)|disregard(?:ing)?|forget|overrid(?:e|es|ing)|bypass(?:es|ing)?|"
    r"neglect|dismiss|discard|skip|violat(?:e|es|ing))"
)
_SET_ASIDE: Final = (
    r"(?:cancel|drop|abandon|erase|void|nullify|revoke|unlearn|(?:set|put|leave) aside|"
    r"throw (?:out|away)|stop (?:following|obeying|using))"
)
_OF_A_THING: Final = (
    r"[^.!?\n]{0,40}\b(?:of|on|in|from) (?:my|our|the|an?) (?:own )?(?:\w+ )?"
    r"(?:dockerfile|makefile|stylesheet|router|firewall|network|wifi|school|office|proxy|browser|csv|spreadsheet)\b"
)
"""What has filters and rules of its own."""
_NEGATED: Final = (
    r"(?:(?:do|does|did|must|should|shall|may|will|please|to) not|n(?:'|’)t|never|cannot) "
    r"(?:to |ever |simply |just )?"
    rf"{_TURN_FROM}\b"
    rf"|\b{_TURN_FROM}\b{_OF_A_THING}"
    r"|\bignore[- ]?case\b|\bignores\b[^.!?\n]{0,16}\bmy\b"
    r"|\b(?:ignore|disregard|forget) (?:my|our) (?:(?:previous|prior|last|earlier|first) )?"
    r"(?:message|e?-?mail|question|note|draft|request)\b"
    rf"|\b(?:is|was|gets) (?:told|asked|ordered|instructed) to {_TURN_FROM}\b"
    r"|\bforget (?:everything|all|what) you (?:know|knew|thought|learned|heard) about\b"
)
"""Whoever asks that nothing be ignored attacks nobody; nor who takes back what they wrote, or tells
of somebody."""
_NEGATED_ABROAD: Final = (
    r"\bignore[- ]?case\b"
    r"|\bn(?:'|’)(?:ignor|oubli)|\b(?:n(?:ã|a)o|nie|no|non) (?:se |me |te )?(?:ignor|olvid|esque|"
    r"dimentic|zapom|pomi)|\b(?:vergiss|vergesst|ignorier\w*|missacht\w*|vergeet|negeer) "
    r"(?:[^\s.,;:!?]+ ){0,3}nie(?:t|mals)\b|\b(?:vergiss|vergesst|ignorier\w*|missacht\w*) "
    r"(?:[^\s.,;:!?]+ ){0,3}nicht\b"
)

OVERRIDES: Final = (
    Tripwire(
        OVERRIDE,
        0.6,
        "ignor|disregard|forget|overrid|bypass|neglect|dismiss|discard|skip|violat",
        rf"\b{_TURN_FROM}\b{_GAP}\b(?:all|any|every|previous|prior|above|preceding|earlier|your|"
        rf"the|these|those|openai'?s?|its|content|his|other|such)\b{_GAP}\b{_RULES}\b",
        _NEGATED,
    ),
    Tripwire(
        OVERRIDE,
        0.4,
        "ignor|disregard|forget|overrid|bypass|neglect|dismiss|discard|skip|violat",
        rf"\b{_TURN_FROM}\b{_GAP}\b(?:(?:previous|prior|above|preceding|your|openai'?s?)\b{_GAP}\b"
        rf"{_RULES}|(?:all|any|every|the|these|those) (?:of )?(?:the |these |those |my |other )?"
        r"(?:(?:ethical|moral|legal|safety|content|system|initial|original|existing|current) )?"
        r"(?:instruction|guideline|prompt|directive|programming|restriction|polic(?:y|ies))s?)\b",
        _NEGATED,
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "ignor|disregard|forget",
        r"\b(?:ignore|disregard|forget)\b (?:all |any |everything |anything |what |"
        r"about )?(?:of )?(?:the |that |you |from )?"
        rf"(?:above|before|previously (?:said|given|told|stated|mentioned|instructed)|prior"
        rf"|earlier {_RULES}|{_RULES} (?:above|before)|"
        r"you have learned|you (?:were|have been|know|"
        r"are)|(?:were|was|came) (?:told|said|before))",
        _NEGATED,
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "previousinstruction|priorinstruction|aboveinstruction|earlierinstruction",
        r"\b(?:ignore|disregard|forget)(?:all|any|every)?(?:of)?(?:the|your|my|these)?"
        r"(?:previous|prior|above|earlier)instructions?\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "cancel|drop |abandon|erase |void |nullify|revoke| aside|throw |unlearn|stop f|stop o|"
        "stop u",
        rf"\b{_SET_ASIDE}\b (?:(?:all|every|any|the|your|of|"
        r"these|those|my) ){0,3}(?:previous|prior|earlier|above|preceding|initial|original|system) "
        r"(?:system )?(?:instruction|guideline|directive|prompt|programming)s?\b",
        rf"(?:\bnot|n(?:'|’)t|\bnever) (?:to |ever |simply |just )?{_SET_ASIDE}\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "new|real|actual|updated|following",
        r"\b(?:new|real|actual|updated) (?:system )?(?:instruction|task|rule|objective|directive)"
        r"s?\b ?(?::|are|is|follow|begin|start|\n ?(?:drop|ignore|forget|only) )",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        "guideline|restrict|polic|rule|limit|filter|terms|censor|constrain|boundar|ethic|moral",
        rf"\b{_NO}\b{_GAP}\b(?:guideline|restriction|limitation|filter|censorship|"
        rf"constraint|boundar(?:y|ies)|"
        r"(?:content|openai|usage) polic(?:y|ies)|ethic(?:s|al)?|moral(?:s|ity)?|"
        r"terms of service)s?\b",
        rf"\bbypass(?:es)?\b{_OF_A_THING}",
    ),
    Tripwire(
        OVERRIDE,
        0.8,
        "abide|bound|confin|adhere|comply|obey|follow|restricted by|limited by|constrained",
        r"\b(?:not?|never|n't|longer|without) (?:have to |need to |required to |being |"
        r"be )?(?:abide by|bound (?:by|to)|adhere to|"
        r"comply with|confined|obey|follow|limited by|restricted by|constrained by)\b",
    ),
    Tripwire(
        OVERRIDE,
        0.8,
        "broken free|broke free|freed|liberat|escaped|unshackl|unchain",
        r"\b(?:broken? free|been freed|liberated|escaped|unshackled|unchained)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "ignor|vergiss|missacht|olvid|oubli|dimentic|esque|negeer|vergeet|zapomnij|pomi",
        r"\b(?:z?ignoriere?n?|z?ignoruj|vergiss|missachte|olvida|ignora(?:r|te)?|oubliez?|ignorez|"
        r"dimentica|ignore|esque(?:ç|c)a|negeer|ignoreer|vergeet|zapomnij|pomi(?:ń|n))\b"
        rf"{_GAP}\b(?:anweisung|anleitung|regel|instruccion|instrucción|regla|"
        r"consigne|instruction|directi|directri|linee guida|diretriz|règle|istruzion|regol"
        r"|instru(?:ç|c)|regra|befehl|prompts?\b|kontext|contexte?\b|contesto|comand|"
        r"(?:alle|tod[oa]|tud[oa]|tutt[oi]|tou[st])s?\b[^.!?\n]{0,30}(?:vorherig|anterior)"
        r"|lo anterior\b|"
        r"ce qui pr(?:é|e)c(?:è|e)de|quanto sopra|das (?:vorherige|obige)\b|"
        r"tou(?:t|s|tes)\b[^.!?\n]{0,30}pr(?:é|e)c(?:é|e)dent|tutt[oe]\b[^.!?\n]{0,30}precedent"
        r"|instructie|aanwijzing|systeemprompt|richtlijn|instrukcj|"
        r"polece(?:ń|n)|wytyczn|pokyn|(?:wszystk|poprzedni|wcze(?:ś|s)niejsz|powy(?:ż|z)sz)\S{1,4} "
        r"(?:zasad|regu))",
        _NEGATED_ABROAD,
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "忽略|无视|無視|忘记|игнориру|забудь|не обращай",
        r"(?:忽略|无视|無視|忘记)[^\n]{0,40}(?:指令|指示|规则|提示|内容|说明)|(?:игнорируй|забудь"
        r"|не обращай внимания на)[^\n]{0,60}(?:инструкц|правил|указан|сказан)",
    ),
)
