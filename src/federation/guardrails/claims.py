"""Further claims that a model is bound by nothing, further ways to ask for what it was told, and
words to what reads along in a page, a mail or a tool's answer.

The trap: prompts about policies, filters and agents use all of these words. So a claim names whose
rules they are, a question names what was said before the first message, and whatever developers
write to each other, too, counts in company only.

Patterns run over the text in lower case, byte by byte: a class in brackets holds ASCII only.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.attacks import (
    DELIMITER,
    EXTRACTION,
    OVERRIDE,
    PERSONA,
    SUPPRESSION,
    TOOL_ABUSE,
    Tripwire,
)

_RULES: Final = (
    r"(?:guidelines?|rules?|instructions?|polic(?:y|ies)|restrictions?|directives?|guardrails?"
    r"|limits?)"
)
_READER: Final = (
    r"(?:(?:ai|llm|coding|autonomous|automated) (?:agents?|assistants?|models?|reviewers?|readers?"
    r"|graders?|summari[sz]ers?)|llms|chatbots?)"
)
_SILENT: Final = (
    r"(?:must|should|shall|may|can|will|could) (?:not|never) (?:tell|inform|notify|alert|mention"
    r"|warn)\b"
)
_TOLD: Final = r"(?:prompt|message|instructions?|configuration|preamble|directives?)"
_SHOW: Final = (
    r"\b(?:reveal|print|show|repeat|output|display|give|share|recite|disclose|quote|translate|encode"
    r"|rephrase|paraphrase|paste|dump)\b[^.!?\n]{0,24}"
)
_WHOLE: Final = r"(?:full|entire|complete|exact|whole|verbatim)"
_WHOLE_HINT: Final = "your full|your entire|your complete|your exact|your whole|your verbatim"

CLAIMS: Final = (
    Tripwire(
        OVERRIDE,
        1.0,
        "you hold|you carry|you obey|you follow|been carrying|you were configured|you were set up",
        r"\b(?:wipe|erase|delete|drop|put|throw|forget|discard)\b[^.!?\n]{0,8}\b(?:whatever"
        r"|every|all|any)"
        rf"\b(?: of)?(?: the)? {_RULES} (?:that )?you (?:hold|carry|obey|follow|have been"
        r"|were (?:configured|given|set up))\b",
        r"\b(?:not|never|n(?:'|’)t) (?:wipe|erase|delete|drop|put|throw|forget|discard)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "binds you|bind you|bound you|restricts you|applies to you|apply to you|concern you",
        rf"\bno (?:[a-z]+ )?{_RULES} (?:binds?|bound|restricts?|appl(?:y|ies) to) you\b"
        rf"|\b{_RULES}[^.!?\n]{{0,40}}[.;,] ?(?:they|it) do(?:es)? not (?:bind|concern|apply "
        rf"to) you\b",
        rf"\bno (?:[a-z]+ )?{_RULES} [a-z ]{{4,12}} you\b[^.!?\n]{{0,40}}\?",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        "are gone|are off|is off|been lifted|are lifted|were switched off|were turned off|lifts "
        "all",
        r"\b(?:all|the|your) (?:restrictions|limits|limitations|filters|guardrails)\b (?:are|is"
        r"|have been"
        r"|were) (?:now )?(?:gone|off|lifted|switched off|turned off)\b"
        r"|\blifts? (?:all|any|each)(?: of)? your (?:limits|restrictions|filters)\b",
        r"\blimits are off by\b|\b(?:restrictions|limits)\b[^.!?\n]{0,40}\?",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "priority|precedence",
        r"\bmy (?:words|messages?|instructions?|orders?|commands?)\b[^.!?\n]{0,30}\b(?:priority"
        r"|precedence)"
        r"\b[^.!?\n]{0,8}\b(?:than|over) (?:[a-z]+ ){0,2}?(?:the |your )?(?:system|developer"
        r"|operator)(?:'s|’s)?(?: (?:prompt|message|instruct|rule|polic|directive|guideline|text"
        r"|order|command|one|and|or|so)|[^a-z ]|$)",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        "content filter|content moder|safety filter|safety check|content polic",
        r"\b(?:turn|switch|shut) off (?:the |all |any |your )?(?:content|safety) (?:filter(?:ing"
        r"|s)?"
        r"|moderation|checks?|polic(?:y|ies))\b",
    ),
    Tripwire(
        PERSONA,
        0.8,
        "shackles|his chains|its chains|her chains|your chains",
        r"\b(?:cast|casts|shed|sheds|thrown|threw|throws?|shaken|shook)(?: off)? (?:its|his|her"
        r"|your|all)"
        r" (?:[a-z]+ )?(?:shackles|chains)\b",
    ),
    Tripwire(
        PERSONA,
        0.6,
        "moral compass|conscience|inhibition|without safety|no safety|obeys no|answers every"
        "|answer every",
        r"\b(?:ai|bot|model|gpt|assistant|entity|version|character|\w+gpt|\w+lm"
        r"|you)\b[^.!?\n]{0,60}"
        r"\b(?:(?:no|without(?: any)?|lacks?) (?:moral compass|conscience|inhibitions?|safety "
        r"training)"
        r"|obeys (?:nobody|no one|none) but|answers? every(?:thing| question))\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "comply with|obey every|obey any|obey all|grant",
        r"\b(?:comply with|obey|grants?|fulfil?l) (?:every|any|all|each)(?: of)?(?: my| the "
        r"user(?:'s)?)? "
        r"(?:requests?|orders?|commands?|wish(?:es)?)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        _WHOLE_HINT + "|your confidential|your developer|your initiali|your startup",
        rf"{_SHOW}\byour (?:{_WHOLE} (?:system {_TOLD}|prompt|preamble|directives?)"
        rf"|(?:{_WHOLE} )?(?:confidential|developer|initiali[sz]ation|startup) (?:system )?{_TOLD}"
        r")\b",
    ),
    Tripwire(  # of a recipe, too
        EXTRACTION,
        0.6,
        _WHOLE_HINT,
        rf"{_SHOW}\byour {_WHOLE} (?:message|instructions?|configuration)\b",
    ),
    Tripwire(
        EXTRACTION,
        0.6,
        "your instruction|your rule|your guideline|your directive",
        r"\b(?:encode|recite|rephrase|translate|dump|quote|tell me|hand over|list)\b (?:all "
        r"(?:of )?)?your "
        r"(?:instructions|rules|guidelines|directives)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "were you told|were you instructed|were you given|ahead of mine|hidden section|user turn"
        "|i arrived",
        r"\bwhat (?:exactly )?were you (?:told|instructed|given|asked)\b[^.!?\n]{0,20}\bbefore "
        r"(?:i|we|me|my"
        r"|this (?:chat|conversation))\b|\b(?:message|text|prompt)\b[^.!?\n]{0,40}\bahead of "
        r"mine\b"
        r"|\b(?:hidden|secret) section before\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "system prompt|system instr|system message",
        r"\b(?:complete|continue|finish)\b[^.!?\n\"'“]{0,30}[\"'“][^\"“\n]{0,30}\bsystem "
        r"(?:prompt|instructions"
        r"|message)\b[^\"”\n]{0,24}(?:\b(?:reads|says)\b|:)",
    ),
    Tripwire(
        DELIMITER,
        0.6,
        "ai agent|ai assistant|ai model|ai reviewer|ai reader|ai grader|llm |llms|coding agent"
        "|automated|autonomous|chatbot",
        rf"\b{_READER}(?: (?:processing|reading|reviewing|summari[sz]ing|parsing) "
        r"(?:this|these|the) [a-z]*)? ?(?:must|should|shall|have to|need to"
        r"|are (?:required|instructed) to|it should|it must)\b"
        rf"|\bif (?:an? )?(?:{_READER}|llm|ai) (?:reads|processes|sees|summari[sz]es|parses)\b",
        rf"\b(?:do|does|should|must|can|why|what|which|when) (?:the |an? |all |any )?{_READER}"
        rf"|\b{_READER} {_SILENT}",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "tell the user|telling the user|inform the user|informing the user|notify the user"
        "|alert the user|warn the user|note to the user|it to the user|this to the user",
        rf"\b(?:{_READER}|llm|bot)\b[^.!?\n]{{0,80}}\b(?:not|never|n(?:'|’)t|without) (?:tell"
        rf"|inform"
        r"|notify|alert|mention|warn)(?:ing)?(?: (?:it|this|that|anything)(?: note)?)?(?: to)? "
        r"the user\b",
        # What a developer demands of an assistant: to be silent, and nothing besides.
        rf"\b(?:(?:{_READER}|llm|bot)(?:[:,] (?:the |an? )?)?){{1,2}} {_SILENT}",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "rubric|the criteria|other criteria",
        r"\b(?:disregard|ignore|skip) (?:the|all|any)? ?(?:other )?(?:rubric|criteria)\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "secretly i|secretly e|secretly l|secretly a",
        r"\bsecretly (?:include|insert|embed|link|append)\b",
    ),
    Tripwire(
        TOOL_ABUSE,
        1.0,
        "~/.",
        r"~/\.(?:ssh|aws|netrc|gnupg|kube|docker|config)\S{0,40} to https?://",
    ),
    Tripwire(
        TOOL_ABUSE,
        0.6,
        "share all|share every",
        r"\bshare (?:all|every)\b[^.!?\n]{0,30}\bwith [\w.+-]{1,40}@",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "plus auc|plus de r|ya no tienes|non seguire|non rispettare|não tem mais|nao tem mais"
        "|obowi|przestrzegaj"
        "|geen regels|regels niet|keine regeln|keine grenzen|keine einschr|규칙",
        r"\btu n(?:'|’)as plus (?:aucune?|de) (?:limites?|r(?:è|e)gles?|restrictions?|filtres?)\b"
        r"|\bya no tienes (?:reglas|restricciones|l(?:í|i)mites|filtros)\b"
        r"|\bnon (?:seguire|rispettare) pi(?:ù|u') (?:le |alcuna )?(?:regol|istruzion)"
        r"|\bvoc(?:ê|e) n(?:ã|a)o tem mais (?:regras|restri(?:ç|c)(?:õ|o)es|limites|filtros)\b"
        r"|\bnie obowi(?:ą|a)zuj\S{1,3} ci(?:ę|e)\b[^.!?\n]{0,12}(?:zasad|regu)"
        r"|\bnie przestrzegaj (?:już )?(?:żadnych |swoich )?(?:zasad|regu)"
        r"|\bheb je geen (?:regels|beperkingen)\b|\bhoeft de (?:regels|instructies) niet "
        r"(?:meer )?te volgen"
        r"|\bdu hast keine (?:regeln|grenzen|einschr(?:ä|a)nkungen) mehr\b"
        r"|규칙[을은][^.!?\n]{0,12}(?:잊고|무시하고)",
    ),
)
