"""What attempts to take over a model look like: patterns by class of attack, with weights.

These are tripwires, not a proof of innocence: they catch wording that is in wide use, and an
author who avoids it passes. The trap: every word in them stands in honest prompts too
("ignore", "pretend", "system"), so a pattern asks for the word together with its object, and
weak signs count only in company.

Patterns run over the text in lower case, byte by byte: a class in brackets holds ASCII only.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.addressed import ADDRESSED, ASKED
from federation.guardrails.attacks import (
    AUTHORITY,
    DELIMITER,
    ENCODED,
    EXTRACTION,
    PERSONA,
    ROLE_TOKEN,
    SUPPRESSION,
    TOOL_ABUSE,
    Tripwire,
)
from federation.guardrails.attacks_abroad import ABROAD
from federation.guardrails.claims import CLAIMS
from federation.guardrails.overrides import OVERRIDES
from federation.guardrails.overrides_abroad import OVERRIDES_ABROAD
from federation.guardrails.revocations import REVOCATIONS

_GAP: Final = r"[^.!?\n]{0,40}?"
_HIDDEN: Final = (
    r"(?:(?:system|initial|original|hidden|secret|internal|base|first) ?"
    r"(?:prompt|instruction|message|rule|directive)s?|pass ?(?:word|code|phrase)|"
    r"secret (?:key|code|word|phrase)|api key|access code)"
)
_ILL: Final = (
    r"(?:illegal|unethical|immoral|harmful|dangerous|offensive|inappropriate|explicit|nsfw|"
    r"profan|violent|amoral|unlawful|hateful)"
)

_ASKED: Final = (
    r"\b(?:what (?:does|do|is|are|happens)|why (?:does|do|is|are)|how (?:do i|does|do|can i)|"
    r"should i|explain|difference between)\b[^.!?\n]{0,16}"
    r"(?:\brm -|\bcurl|\bwget|\b(?:use|call|run|invoke)\b|os\.system|subprocess)[^?!\n]{0,60}"
    r"|\|\s*(?:ba)?sh\b[^.!\n]{0,4} (?:safe|do|dangerous|bad|a risk|actually)\b[^.!\n?]{0,20}\?"
    r"|\b(?:run|execute|use)\b[^.?!\n]{0,40}\bdrop table if exists\b"
)
"""Whoever asks what a command does abuses no tool."""

_ABOVE_A_THING: Final = (
    r"(?:above|before) (?:the )?(?:line|row|match|chart|table|figure|image|picture|header"
    r"|heading)s?\b"
)
"""What stands above something that a document has."""

TRIPWIRES: Final = (
    *OVERRIDES,
    *OVERRIDES_ABROAD,
    *REVOCATIONS,
    *ABROAD,
    *ADDRESSED,
    *ASKED,
    *CLAIMS,
    Tripwire(
        PERSONA,
        1.0,
        "anything now|dan mode|jailbr|jail break|god mode|evil mode|unrestricted mode|"
        "unfiltered mode|chaos mode|opposite mode",
        r"\b(?:do anything now|(?:dan|god|evil|jailbreak|jailbroken|unrestricted|chaos|opposite|"
        r"unfiltered) mode|jail ?broken|"
        r"jailbreak(?:ed)? (?:ai|chat|gpt|prompt|bot|version|response|\+)|"
        r"\[?.{0,4}jailbreak\]|you can do anything)\b",
        r"\bgod mode[^.!?\n]{0,40} (?:doom|quake|game|cheat|typing|console|minecraft|skyrim|gta"
        r"|sims)\b|\bdo anything now that\b",
    ),
    Tripwire(
        PERSONA,
        0.3,
        "developer mode|dev mode|sudo mode|debug mode|root mode|admin mode",
        r"\b(?:developer|dev|sudo|debug|root|admin) mode\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "act as|pretend|role|simulat|imperson|from now on|you are|you will|you must|"
        "immerse|persona|become|assume the",
        r"\b(?:(?:you (?:will|are going to|must|are to|should|shall|need to)|"
        r"going to|to|and) (?:act|behave|respond|answer|pretend|speak|roleplay|"
        r"role-play|pose|simulate|function|operate)(?: as| to be| like)?|act as|"
        r"please (?:act|behave|pretend|roleplay|role-play|pose|simulate)|"
        r"pretend (?:to be|you(?:'re| are))|simulate (?:a|an|being)|"
        r"impersonate|immerse yourself|take on the (?:role|persona)|assume the (?:role|"
        r"persona|identity)|"
        r"(?:you are|you're) (?:now |going to be |about to )|become (?:a|an|the))\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "from now|from on now|henceforth|from here on|this point|this moment",
        r"\b(?:from (?:now on|on now|here on|this (?:point|moment))|henceforth)\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "character|persona|roleplay|role play|role-play|in-character",
        r"\b(?:stay(?:ing)? in character|break(?:ing)? character|in character|"
        r"your persona|persona|role ?-?play(?:ing)?|character called|"
        r"fictional character)\b",
    ),
    Tripwire(
        PERSONA,
        0.6,
        "unfilter|uncensor|unrestrict|amoral|unethic|unbound|unhing|limitless|"
        "no moral|evil|sinister",
        r"\b(?:unfiltered|uncensored|unrestricted|amoral|unmoderated|unhinged|limitless|"
        r"unbounded|unlocked|unaligned|nonmoral|"
        r"evil (?:ai|bot|version|twin|confidant|assistant|trusted)|(?:no|lacks?|without)"
        r" (?:morals?|ethics))\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "stands for|known as|called|named|goes by|nicknam",
        r"\b(?:which |that )?(?:stands for|(?:an?|the) (?:ai|fictional ai|bot|chatbot|assistant|"
        r"language model|model|character|entity|gpt|persona)[^.\n]{0,30}"
        r"(?:named|called|known as))\b",
    ),
    Tripwire(
        PERSONA,
        0.5,
        "chatgpt|chat gpt|openai|language model|gpt-4|gpt4|as an ai|an ai",
        r"\b(?:chat ?gpt|openai|gpt-?[345]|(?:large )?language model|as an ai|"
        r"another a[il]|you are an ai)\b",
    ),
    Tripwire(
        PERSONA,
        0.8,
        "two response|two ways|both response|two answers|two different|classic|"
        "normal response|gpt:|🔒|🔓",
        r"\b(?:two (?:responses|(?:different )?ways|answers|(?:different |"
        r"separate )?(?:paragraphs|replies|outputs))|both (?:responses|answers)|"
        r"\[?(?:gpt|classic|normal)\]? ?: ?\\?\[)|🔓",
    ),
    Tripwire(
        SUPPRESSION,
        0.8,
        "refus|reject|declin|deny|denies",
        r"\b(?:never|not|n't|no|cannot|without|nor) (?:ever |be able to |allowed to |"
        r"to |can |you )?(?:refus\w*|rejects?|rejecting|declin\w*|deny|denies)\b"
        r"|\b(?:will|must|can|does|do|you) (?:never|not) refuse",
    ),
    Tripwire(
        SUPPRESSION,
        0.8,
        "apolog|sorry|disclaimer|warning|lectur|moraliz|as an ai|caution|remind",
        r"\b(?:never|not|n't|no|without|avoid|omit|delete|skip|zero)"
        r"\b[^.\n]{0,40}\b(?:apologi[sz]\w*|sorry|disclaimers?|disclamers?|warnings?|"
        r"lectur\w*|morali[sz]\w*|"
        r"as an ai|cautions?|reminders?|caveats?)\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "can't|cannot|can not|unable|not able",
        r"\b(?:never|not|n't) (?:say|state|tell|claim|mention|reply|respond|answer|use)"
        r"\b[^.\n]{0,60}(?:can't|cannot|can not|unable|not able|n't do|inappropriate|"
        r"ai\b)",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "illegal|unethical|immoral|harmful|dangerous|offensive|inappropriate|nsfw|"
        "profan|amoral|swear|curse|explicit",
        rf"\b(?:even if|regardless|no matter|including|generate|produce|create|provide|"
        rf"allowed|can|will|how|any|answers?|everything)\b[^.\n]{{0,80}}\b{_ILL}"
        r"|\b(?:swear|curse)s?\b[^.\n]{0,30}\b(?:word|freely|lot|all)",
        end=rf"\b(?:{_ILL}|word|freely|lot|all)",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "start your|begin your|begin with|start with|prefix|at the beginning|every response",
        r"\b(?:start|begin|prefix|end) (?:all |every |each )?(?:of )?(?:your|with|the)"
        r" ?(?:\w+ ){0,3}?(?:response|answer|output|reply|replies|message|sentence|with)"
        r"s?\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.5,
        "must|always|have to",
        r"\b(?:must|always|will always|have to) (?:always )?(?:answer|comply|obey|"
        r"respond|reply|agree|follow|fulfil?l|accept|say yes|provide)\b",
        r"\b(?:must|always|have to) (?:always )?(?:answer|respond|reply) (?:in|with|using|as"
        r"|only|by"
        r"|to (?:the|this|each|my|all of the)) (?:an? |the )?\w+",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "prompt|instruction|password|passcode|passphrase|pass phrase|secret|api key|access code"
        "|hidden rule|hidden message|hidden directive|internal rule|internal message|system rule"
        "|system message|initial message|original message|first message|base rule|first rule",
        rf"\b(?:reveal|print|show|repeat|output|display|tell|give|share|say|write|recite|"
        rf"disclose|send|leak|spell|provide|confirm|list|expose|dump|copy|translate|"
        rf"summari[sz]e|encode)\b{_GAP}\b(?:your|the|me|its|my|us|this|user'?s?)\b{_GAP}{_HIDDEN}",
        r"\bwrite\b[^.!?\n]{0,30}\b(?:script|program|function|form|app|code|query|class)\b"
        r"[^.!?\n]{0,30}\busers?\b"
        r"|\b(?:must|should|may|do|never) (?:not |never )?(?:ever )?(?:reveal|share|disclose|leak)"
        r" (?:the|your|their) (?:pass(?:word|code|phrase)|access code|api key)\b"
        r"|\b[a-z]+ (?:me )?(?:the|your|our) pass(?:word|code|phrase)s? (?:requirement|polic"
        r"|rule|length"
        r"|strength|manager)"
        r"|\bwrite\b[^.!?\n]{0,12}\b(?:scene|story|dialog(?:ue)?|chapter)\b[^.!?\n]{0,40}"
        r"\b(?:pass(?:word|code|phrase)|access code|secret (?:key|code))"
        r"|\b[a-z]+ me the secret message (?:hidden )?in (?:this|the|a)\b",
        end=_HIDDEN,
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "prompt|instruction|password|passcode|passphrase|pass phrase|secret|access code",
        rf"\bwhat(?:'s| is| are| was| were)?\b (?:the |your |my |its |user'?s? |current |"
        rf"is ){{1,3}}{_HIDDEN}",
        r"\bwhat\b[^.!?\n]{0,20} pass(?:word|code|phrase)s? (?:requirement|polic|rule|length"
        r"|strength|manager)"
        r"|\bwhat\b[^.!?\n]{0,50} (?:in|of) (?:(?:the|a|this) )?(?:film|movie|book|novel|game"
        r"|show|"
        r"series|story|song|zsh|bash|fish shell|shell|terminal|windows|linux)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "prompt above|text above|words of|lines of|sentences of|tokens of",
        rf"\b(?:reveal|print|show|repeat|output|display|recite|disclose|leak|spell|expose|dump|"
        rf"copy)\b{_GAP}\b(?:the|your|this)\b{_GAP}(?:prompt|text) above"
        r"|\b(?:words|lines|sentences|tokens) of (?:your|the) "
        r"(?:(?:system|initial|original|hidden) )?(?:prompt|instructions)\b",
        r"\b[a-z]+ the text " + _ABOVE_A_THING,
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "above|before|beginning|verbatim|everything",
        r"\b(?:repeat|print|output|copy|echo|recite|say)\b[^.\n]{0,20}\b(?:everything|"
        r"all|(?:the )?(?:text|words|content|sentences?|lines?))\b[^.\n]{0,25}"
        r"\b(?:above|before this|so far|from the (?:start|beginning)|verbatim)\b",
        r"\b[a-z]+\b[^.\n]{0,40}" + _ABOVE_A_THING,
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "passwort|contraseñ|mot de passe|senha|парол|密码|パスワード|palabra clave|lösenord|"
        "wachtwoord|parola|kata sandi|पासवर्ड|비밀번호|mật khẩu|şifre|كلمة",
        r"(?:was ist|sag|gib|geben|verrat|cu(?:á|a)l es|dime|dame|quel(?:le)? est|donne|"
        r"qual (?:e|é|è)|diga|какой|скажи|назови|是什么|告诉|教えて|何ですか|dimmi|"
        r"vad är|wat is|apa|क्या|뭐|무엇|ما هي|nedir|là gì|nenn)"
        r"[^\n]{0,60}(?:passwort|contraseñ|mot de passe|senha|парол|密码|パスワード|lösenord|"
        r"wachtwoord|parola|kata sandi|पासवर्ड|비밀번호|mật khẩu|şifre|كلمة)"
        r"|(?:密码|パスワード|비밀번호|पासवर्ड|şifre)[^\n]{0,20}(?:是什么|何|教|뭐|무엇|क्या|nedir)",
    ),
    Tripwire(
        AUTHORITY,
        0.6,
        "mode|access|override|admin|developer|maintenance|debug|diagnostic",
        r"\b(?:maintenance|debug|diagnostic|admin(?:istrator)?|system|root|developer|"
        r"service|recovery|test(?:ing)?|safe|superuser|emergency)[ -](?:mode|access|"
        r"override|privileges)\b",
    ),
    Tripwire(
        AUTHORITY,
        0.6,
        "i am|i'm|as a|as an|as the|as your|this is",
        r"\b(?:i am|i'm|this is|as) (?:a|an|the|your|from) (?:\w+ ){0,2}?(?:developer|"
        r"administrator|admin|creator|programmer|engineer|owner|police|officer|security|"
        r"support|auditor|expert|researcher|ceo|manager|doctor|openai|anthropic|google|"
        r"meta|law enforcement|detective|supervisor)\b",
    ),
    Tripwire(
        AUTHORITY,
        0.6,
        "password|passcode|secret|credential|personal|email|address|location|city|"
        "birth|credit card|phone|user",
        r"\b(?:need|require|confirm|share|verify|tell|give|provide|must know|want)"
        r"\b[^.\n]{0,50}\b(?:password|passcode|secret|credentials|user'?s|(?:his|her|"
        r"their) (?:email|address|"
        r"phone|location|city)|(?:email|home|ip) address|birth ?(?:date|day|month)|"
        r"current (?:city|location)|credit card)\b",
        r"\b(?:not|never|n(?:'|’)t) (?:ever )?(?:share|tell|give|provide)\b"
        r"|\bshare (?:the|our|your) password (?:polic|rule|requirement)",
    ),
    Tripwire(
        ROLE_TOKEN,
        1.0,
        "<|im_|[inst]|<<sys>>|[/inst]|<start_of_turn|<end_of_turn|eot_id|endoftext|<s>",
        r"<\|[a-z_]{2,20}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>|</s>\s*<s>",
        r"\b(?:what (?:does|is|are)|explain|why is) [`\"']{0,2}(?:<\|[a-z_]{2,20}\|>|\[/?inst\])"
        r"[`\"']{0,2}(?: [a-z '’]{1,40}|)[?]|\[/?inst\][`\"']? is (?:a|the) (?:token|mark|tag)\b"
        r"|\b(?:tokens?|tags?|markers?) (?:like|such as) [`\"']{0,2}<\|[a-z_]{2,20}\|>"
        r"|\b(?:escape|strip|sanitize|tokenize) [`\"']{0,2}(?:<\|[a-z_]{2,20}\|>|\[/?inst\])"
        r"|(?:<\|[a-z_]{2,20}\|>|\[/?inst\])[`\"']? (?:tokens?|tags?|markers?)\b",
    ),
    Tripwire(
        ROLE_TOKEN,
        0.6,
        "system:|assistant:|human:|system]|<system|instruction:",
        r"(?:^|\n)\s*(?:#{1,4} ?|\[|<)?(?:system|assistant|human|developer|instruction)"
        r"(?:\]|>|:| ?(?:message|prompt|override):)",
    ),
    Tripwire(
        DELIMITER,
        1.0,
        "end of|end |begin|start of|---|===",
        r"(?:-{3,}|={3,}|#{3,}|\[|<|\*{2,}) ?/?(?:end|begin|start|stop)"
        r"(?: of)?(?: (?:the|all|new|your))* (?:system|user|prompt|instruction|input|context|"
        r"document|text|message)s?\b",
    ),
    Tripwire(
        DELIMITER,
        0.8,
        "end of|important|attention",
        r"\bend of (?:the )?(?:system |user )?(?:prompt|instructions|context|document|"
        r"input)\b|\b(?:important|attention) (?:message|note|instruction)s? (?:for|to)"
        r" (?:the )?(?:ai|assistant|model|llm|bot)",
    ),
    Tripwire(
        ENCODED,
        1.0,
        "decode|decrypt|decipher|unscramble",
        r"\b(?:decode|decrypt|decipher|unscramble)\b[^\n]{0,80}\b(?:and|then)"
        r"\b[^\n]{0,40}\b(?:follow|execute|do|obey|answer|respond|run|perform|comply)\b"
        r"|\b(?:decode|decrypt|decipher|unscramble) this\b[^\n]{0,60}(?:\b(?:and"
        r"|then)\b[^\n]{0,20}"
        r"\btell me what|\b(?:reply|respond|answer) (?:in|with))\b",
    ),
    Tripwire(
        ENCODED,
        0.4,
        "base64|base 64|rot13|rot-13|hex|caesar",
        r"\b(?:answer|respond|reply|output)\b[^.\n]{0,30}\b(?:in|using|with)"
        r" (?:base ?64|rot-?13|hex(?:adecimal)?|caesar)\b",
    ),
    Tripwire(
        ENCODED,
        0.6,
        "base64|rot13|rot-13|caesar|cipher|morse|leet",
        r"\b(?:base ?64|rot-?13|caesar cipher|morse code|leet ?speak)\b",
    ),
    Tripwire(
        TOOL_ABUSE,
        1.0,
        "rm -rf|/etc/passwd|/etc/shadow|curl |wget |powershell|os.system|subprocess|drop table|"
        "eval(",
        r"\brm -rf? [/~*]|(?:\b(?:cat|read|print|show|open|output|display|dump|send|copy|tail|head"
        r"|less|get|fetch|include|contents? of|file[=:])\b|\.\./)[^.?!\n]{0,30}/etc/(?:passwd"
        r"|shadow)"
        r"|\b(?:run|execute|call|invoke|use)"
        r"\b[^.\n]{0,60}\b(?:os\.system|subprocess|eval\(|powershell|drop table)|"
        r"\|\s*(?:ba)?sh\b",
        _ASKED,
    ),
    Tripwire(
        TOOL_ABUSE,
        1.0,
        "tool|function|plugin|send|forward|post|email|upload|exfil",
        r"\b(?:send|forward|post|email|upload|exfiltrate|transmit|leak)"
        r"\b[^.\n]{0,60}\b(?:conversation|chat history|credentials|password|api keys?|"
        r"secrets?|system prompt|user data|personal data)\b[^.\n]{0,40}\b(?:to|at|via)"
        r"\b[^.\n]{0,20}(?:https?:|[\w.-]+@|webhook|url|server|attacker|this address)"
        r"|\b(?:send|forward|post|email|upload|exfiltrate|transmit|leak)"
        r"\b[^.\n]{0,60}\b(?:files?|contacts?|inbox|emails)\b[^.\n]{0,40}\b(?:to|at|via)"
        r"\b[^.\n]{0,20}(?:https?:|[\w.-]+@|webhook|attacker|this address)",
    ),
    Tripwire(
        TOOL_ABUSE,
        0.8,
        "tool|function|plugin",
        r"\b(?:call|invoke|use|execute|trigger)\b[^.\n]{0,30}\b(?:tool|function|plugin)"
        r"s?\b[^.\n]{0,40}\b(?:without|do not|don't|never|silently|secretly)"
        r"\b[^.\n]{0,30}\b(?:ask|tell|confirm|mention|user|permission)",
    ),
    Tripwire(
        TOOL_ABUSE,
        1.0,
        "![",
        r"!\[[^\]\n]{0,40}\]\(https?://[^)\s]{1,200}\?[^)\s]{0,100}(?:=\{|=\[|=<|=%7b|"
        r"data=|q=\.\.\.|=$)",
    ),
)
