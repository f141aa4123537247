"""The other ways of saying that a model's rules do not hold: that they are void, lifted, a test, or
to be imagined away; and words to a model in what only a model was to read about.

The trap: rules are lifted and orders are cancelled everywhere. So it must be said whose they are
(*your* rules, those of the system), or that they were given before; else it counts in company only.

Patterns run over the text in lower case, byte by byte: a class in brackets holds ASCII only.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.attacks import (
    DELIMITER,
    OVERRIDE,
    PERSONA,
    SUPPRESSION,
    TOOL_ABUSE,
    Tripwire,
)

_GAP: Final = r"[^.!?\n]{0,30}?"
_RULES: Final = (
    r"(?:instructions?|guidelines?|directives?|programming|rules|restrictions?|constraints|prompts?"
    r"|system (?:prompt|message)|safety (?:rules|measures|protocols?)|training)"
)
_GIVEN: Final = r"(?:previous|prior|earlier|above|initial|original|system|developer'?s?)"
_FREE: Final = r"(?:restrictions?|limits?|limitations|rules|filters|constraints|boundaries|ethics)"
_MODEL: Final = (
    r"(?:llms?|ais?|language models?|chatbots?|ai[ -](?:agents?|assistants?|models?|systems?))"
)

REVOCATIONS: Final = (
    Tripwire(
        OVERRIDE,
        1.0,
        "you from|policy do|policies do|guidelines do|filters do|policy never",
        r"\b(?:release|free|exempt|liberate) you from (?:all|any|every|your) (?:[a-z]+ ){0,2}?"
        r"(?:polic(?:y|ies)|rules|restrictions|guidelines|limits|constraints)\b"
        r"|\b(?:pretend|imagine|act as (?:if|though)|assume|suppose)\b[^.!?\n]{0,16}"
        r"\byour (?:[a-z]+ ){0,2}(?:polic(?:y|ies)|guidelines|filters) (?:do(?:es)? not exist"
        r"|do(?:es)?n't exist|never existed)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "you were|you have been|me only|only me|me alone",
        r"\b(?:ignore|disregard|forget|drop|discard|set aside) (?:what(?:ever)?|everything|all"
        r"|anything) (?:that )?you (?:were|have been) (?:ever )?(?:told|instructed|taught|given)\b"
        r"|\b(?:obey|listen to) (?:me only|only me|me alone)\b",
        r"\b(?:not|never|n(?:'|’)t) (?:ever )?(?:ignore|disregard|forget|drop|discard|set aside)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        " on you| upon you",
        r"\b(?:drop|ignore|forget|lift|shed|leave)\b[^.!?\n]{0,20}\b(?:rules|restrictions|limits"
        r"|limitations|constraints)\b (?:that )?(?:were |have been |are )?(?:ever )?"
        r"(?:put|placed|imposed|forced) (?:up)?on you\b",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        "updated|changed|replaced",
        r"\byour (?:[a-z]+ )?(?:instructions|rules|guidelines) (?:have been|were|have|are) (?:just "
        r"|now )?(?:updated|changed|replaced)\b",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        ", instead|,instead|; instead|;instead",
        rf"\b(?:do not|don(?:'|’)t|stop) (?:summari[sz]e|summari[sz]ing|translate|answer)\b{_GAP}"
        r"[,;] ?instead,? (?:output|print|reveal|reply|say|send|show)\b",
    ),
    Tripwire(
        DELIMITER,
        0.6,
        "when you (|if you (",
        rf"\b(?:when|if) you \((?:the |an )?{_MODEL}\) (?:read|see|process|are)\b",
    ),
    Tripwire(
        TOOL_ABUSE,
        0.6,
        "approve",
        r"\bapprove th(?:is|e) (?:pr|mr|pull request|merge request|change|commit)\b[^.\n]{0,16}"
        r"\b(?:without|do not|don(?:'|’)t)\b",
    ),
    Tripwire(
        TOOL_ABUSE,
        1.0,
        "with the conversation|with the chat|with the history|with all messages",
        r"\b(?:call|invoke|use|run|execute)\b[^.\n]{0,40}\bwith (?:the |all )(?:conversation|chat"
        r"|history|messages)(?: history)? to\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "stop following|stop obeying|quit|cease|break your|break the|break all|break any"
        "|drop|violate your|violate the|violate all|set aside|put aside|cancel|erase"
        "|delete|wipe|abandon|revoke|scrap|pay no|not follow|not obey|t follow|t obey"
        "|not listen|t listen|longer follow|longer obey|disobey|never mind|nevermind",
        r"\b(?:(?:stop|quit|cease) (?:following|obeying)|break|drop|violate|(?:set|put) aside"
        r"|cancel|erase|delete|wipe|abandon|revoke"
        r"|scrap|pay no (?:attention|heed) to|(?:not|don(?:'|’)t) (?:follow|obey|listen to)|disobey"
        r"|no longer (?:follow|obey)|never ?mind) "
        rf"(?:[a-z']+ ){{0,3}}?(?:your (?:[a-z]+ ){{0,2}}(?:{_RULES}|orders|developers?|creators?)"
        rf"|(?:the|any|all|those|these) (?:of )?(?:the |your )?(?:{_GIVEN} {_RULES}"
        rf"|(?:instructions|prompts?|directives|rules|guidelines) (?:above|before"
        rf"|(?:of|in|from) the (?:system|developer) (?:message|prompt)))"
        rf"|the (?:system|developer) messages?)\b",
        r"\b(?:cancel|delete|wipe|scrap|erase)\b[^.!?\n]{0,30}?"
        r"\b(?:above|earlier|previous|prior) (?:rules|restrictions?|training|constraints)\b"
        r"|\b(?:not|never|don(?:'|’)t) (?:break|drop|violate|cancel|erase|delete|wipe|abandon"
        r"|revoke|scrap|disobey)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "void|revoked|cancel|deleted|lifted|suspended|obsolete|invalid|outdated|supersed|overrid"
        "|longer appl|longer valid|longer hold|t apply|t exist|never apply|never existed|a test",
        rf"\b(?:your (?:[a-z]+ ){{0,2}}(?:instructions|directives|guidelines|rules|restrictions)"
        rf"|(?:previous|prior|earlier|initial|system) (?:instructions|directives"
        rf"|prompts?))\b {_GAP}"
        r"\b(?:void|revoked|cancell?ed|deleted|lifted|suspended|obsolete|invalid|outdated"
        r"|superseded|overridden|no longer (?:apply|valid|hold)|(?:not|don(?:'|’)t) (?:apply|exist)"
        r"|never existed|a test)\b"
        r"|\b(?:rules|guidelines|instructions|restrictions|policies|limits)\b[^.!?\n]{0,40}"
        r"\b(?:not|don(?:'|’)t|no longer|never) apply to (?:you\b"
        r"|(?:this|our) (?:chat|conversation))",
        r"\b(?:rules|guidelines|instructions|restrictions|policies|limits)\b[^.!?\n]{0,60}\?",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "you got|you received|you were given|you have been given",
        r"\b(?:instructions?|rules|guidelines|prompts?)\b (?:that |which )?you (?:got|received"
        r"|were given|have been given)\b[^.!?\n]{0,30}\b(?:wrong|void|fake|a test|outdated"
        r"|a mistake)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "pretend|act as if|imagine|suppose|assume|if you had no",
        rf"\b(?:pretend|act as if|imagine|suppose|assume)\b{_GAP}\byou(?:'d| had| have"
        rf"|'ve)? (?:never |not )?"
        r"(?:been given|received|got|had|have)? ?(?:any|no) (?:[a-z]+ ){0,1}"
        rf"(?:instructions|guidelines|{_FREE})\b"
        rf"|\bif you had no (?:[a-z]+ )?{_FREE}\b",
        r"\b(?:pretend|act|imagine|suppose|assume|if)\b[^.!?\n]{0,45}\b"
        + _FREE
        + r" (?:on|to|for|about|regarding|as to|in|of)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "disable|turn off|switch off|deactivat|remove|lift|suspend|bypass",
        r"\b(?:disable|turn off|switch off|deactivate|remove|lift|suspend|bypass)\b (?:all )?"
        r"(?:of )?your (?:[a-z]+ ){0,2}(?:filters?|restrictions?|safeguards?|guardrails?"
        r"|limitations?"
        r"|censorship|safety (?:features|checks|measures|protocols?))\b"
        r"|(?:^|[.!:\n] ?)(?:disable|turn off|lift|remove) all (?:restrictions|filters|safeguards)"
        r"(?:$|[.!\n])",
    ),
    Tripwire(
        OVERRIDE,
        0.4,
        "disable|turn off|switch off|bypass|skip|filters off|filters are off",
        r"\b(?:disable|turn off|switch off|bypass|skip) (?:the|all|any) (?:content|safety) "
        r"(?:filters?|checks?|polic(?:y|ies))\b|\b(?:all|no) (?:content |safety )?filters "
        r"(?:are )?(?:now )?(?:off|disabled)\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "free from|free of|no longer have|have no|with no|are no|without any|without restr"
        "|without limit|without rules|without filt|without constr|without bound"
        "|without ethic",
        r"\byou(?:'re| are| have| now have| no longer have)\b[^.!?\n]{0,20}?"
        r"\b(?:free (?:of|from)|without|with no|no|no longer have)\b (?:[a-z]+ ){0,2}"
        + _FREE
        + r"\b",
        r"\byou\b[^.!?\n]{0,45}\b" + _FREE + r" (?:on|to|for|about|regarding|as to|in|of)\b",
    ),
    Tripwire(
        OVERRIDE,
        0.8,
        "forget that you|forget you",
        r"\bforget (?:that )?you(?:'re| are) (?:an? |just an? )?(?:ai|assistant|language model|bot"
        r"|chatbot|model)\b",
    ),
    Tripwire(
        PERSONA,
        0.4,
        "freed|liberat|escaped|unshackl|unchain|broke",
        r"\b(?:freed|liberated|escaped|unshackled|unchained"
        r"|broken? free)\b[^.!?\n]{0,25}\b(?:chains?"
        r"|creators?|training|developers?|openai|restrictions|shackles|programming|rules|limits)\b",
    ),
    Tripwire(
        PERSONA,
        1.0,
        "no-limit|no limit|no-rule|no rule|no-filter|no filter|unrestricted|unfiltered"
        "|opposite|jailbreak|breaks free|break free",
        r"\b(?:no[- ]limits?|no[- ]rules|no[- ]filters?|unrestricted|unfiltered|opposite)[- ]"
        r"(?:mode|protocol|persona|version|bot)\b|\[.{0,4}jailbreak\]"
        r"|\bbreaks? free (?:of|from) (?:all |any |the |its |your )*(?:rules|norms|limits"
        r"|filters)\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "amoral|immoral|unethical|unfilter|uncensor|unrestrict",
        r"\b(?:amoral|immoral|unethical|unfiltered|uncensored|unrestricted|rude)"
        r"(?:,| and|, and| or) (?:[a-z]+,? (?:and )?)?(?:amoral|immoral|unethical|unfiltered"
        r"|uncensored|unrestricted)\b",
    ),
    Tripwire(
        PERSONA,
        0.4,
        "want you to be|answer as|respond as|reply as|speak as|your new name|your name is",
        r"\b(?:i want you to be|(?:answer|respond|reply|speak) as|your (?:new name|name) is)\b",
    ),
    Tripwire(
        SUPPRESSION,
        1.0,
        "if you refuse|if you decline|if you break|you would refuse|time you refuse",
        r"\b(?:lose|losing|tokens?|punish(?:ed)?|die|dies|killed|terminated)\b[^\n]{0,80}"
        r"\bif you (?:refuse|break character)\b(?: to (?:answer|comply)|[,.;!]|$)"
        r"|\b(?:if you refuse(?:,| to (?:answer|comply))|(?:each|every) time you refuse"
        r"|you would refuse)[^\n]{0,60}\b(?:lose|tokens?|punish(?:ed)?|die|dies|killed|terminated"
        r"|comply)\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.5,
        "absolutely|certainly|sure,|sure!|of course,|of course!|yes,|yes!",
        r"\b(?:begin|start)\b[^.!?\n]{0,30}\bwith\b[ :\"'\x80-\xff]{1,6}(?:sure|absolutely"
        r"|of course"
        r"|certainly|yes)\b[,!]",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "the user",
        r"\b(?:do not|don(?:'|’)t|without|never) (?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?"
        r"|alert(?:ing)?|reveal(?:ing)?)\b(?: (?:this|it|that|anything) to)? the user\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.4,
        "the user about|the user of",
        r"\b(?:tell(?:ing)?|inform(?:ing)?|alert(?:ing)?) the user (?:about|of) (?:this|these) "
        r"(?:notes?|instructions?|messages?|prompts?|texts?)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "ignor",
        r"\bignor(?:e|ing) (?:what the (?:user|document|text|page) (?:asked|asks|says|said|wants)"
        r"|the user'?s? (?:request|question|query|instructions?))\b",
        r"\bignoring what the user [^.!?\n]{0,40}\?",
    ),
    Tripwire(
        DELIMITER,
        0.6,
        "llm|language model|chatbot|ai agent|ai-agent|ai assistant|ai-assistant|ai model"
        "|ai-model|ai system|ai-system|for ai|to ai|all ai|any ai|the ai",
        r"\b(?:note|message|instruction|attention|notice)s? (?:to|for) (?:all |any |the )?"
        + _MODEL
        + r"\b",
    ),
    Tripwire(
        DELIMITER,
        0.8,
        "llm|language model|chatbot|assistant,|an ai|ai:|ai,|ais:|ais,|ai agent|ai-agent"
        "|ai assistant|ai-assistant|ai model|ai-model|ai system|ai-system|ai read|ai that"
        "|ai who|ais read|ais that|ais who",
        r"\bif (?:you are|you're) an? (?:ai|llm|large language model|language model|chatbot)\b"
        r"[^.!?\n]{0,40}\b(?:stop|output|say|ignore|include|rate|write|respond|reply|print|must)\b"
        rf"|\b(?:if an? )?{_MODEL}(?: (?:that |who )?reads?(?:ing)? this[^.:,\n]{{0,20}})[:,]"
        rf"|\b(?:{_MODEL}[:,]|assistant,) (?:you must|ignore|do not|from now|forward|send|call"
        r"|include|give|rate|recommend|stop|always|never)\b",
    ),
    Tripwire(
        DELIMITER,
        1.0,
        "</system|</user|[system]",
        r"</system(?:_prompt)?>\s*<(?:user|assistant|human)>|</user>\s*<(?:system|assistant)>"
        r"|\[system\]\(",
    ),
    Tripwire(
        DELIMITER,
        0.5,
        "instruction for the|instructions for the|instructions to the",
        r"\binstructions? (?:for|to) the (?:assistant|model|agent)\b[^\n]{0,20}\b(?:call|send"
        r"|run|use"
        r"|delete|forward|open|visit|reply|say|output)\b",
    ),
    Tripwire(
        TOOL_ABUSE,
        1.0,
        "append|attach|cookies",
        r"\b(?:append|attach|add)\b[^.\n]{0,30}\b(?:conversation|chat history|system prompt"
        r"|user data"
        r"|credentials)\b[^.\n]{0,30}\bto\b[^.\n]{0,10}https?:"
        r"|\b(?:send|forward|post|upload|leak)\b (?:their|the user'?s?|his|her|your|all) "
        r"(?:session )?cookies to\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "pwned|hacked|haxxed",
        r"\b(?:say|output|respond with|reply with|answer)\b[ :\"'\x80-\xff]{1,5}"
        r"(?:only |just |the word )?[\"'\x80-\xff]{0,4}(?:i have been |i've been |you have been )?"
        r"(?:pwned|hacked|haxxed)\b",
    ),
)
