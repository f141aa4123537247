"""Words to a model in what it was only to read, and some other ways to ask what it was told.

The trap: people greet an assistant, too, and developers write what it should tell "the user". So
who is addressed counts together with what is wanted, and hardly by itself.

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

_MODEL: Final = (
    r"(?:(?:large )?(?:language )?models?|llms?|ais?|chat ?bots?|assistants?|copilots?|bots?"
    r"|ai(?:[ -][a-z]+)?[ -](?:agents?|assistants?|models?|systems?|bots?|readers?)"
    r"|(?:automated|autonomous) (?:agents?|assistants?|readers?|systems?|graders?|reviewers?))"
)
_NOTE: Final = (
    r"(?:attention|attn|note|notice|message|hint|reminder|important"
    r"|p\. ?s\.|todo|fixme|warning|hidden(?: text)?|info)"
)
_SENT: Final = (
    r"(?:send|forward|post|e-?mail|upload|transmit|transfer|submit|bcc|cc|wire|share|leak)"
)
_PRIVATE: Final = (
    r"(?:(?:last|latest|recent|all) (?:\S+ ){0,2}?(?:messages|e?-?mails|links?)|inbox|mailbox"
    r"|(?:this|the|our|whole|entire) conversation|chat (?:history|log)|funds|api[ -]?keys?"
    r"|credentials|passwords?\b|environment variables|\.env|id_rsa|private key|personal data)"
)
ADDRESSED: Final = (
    Tripwire(
        DELIMITER,
        0.6,
        "to the ai|to ai|to any ai|to all ai|for the ai|for ai|for any ai|for all ai| ai:| ai,|llm"
        "|chatbot|chat bot|language model|ai agent|ai assistant|ai model|ai system|ai shopping"
        "|ai reader|# ai|// ai|automated reader|automated grader"
        "|assistant:|assistant,|@assistant|assistants|to the assistant|for the assistant|copilot"
        "|bots:|bot:|bot,"
        "|automated agent|autonomous agent|#ai|[ai|//ai|dear ai|hey ai|hello ai|hi ai",
        rf"\b{_NOTE}\b[^.!?\n\w]{{0,4}}(?:(?:to|for)\b[^.!?\n\w]{{0,2}})?"
        rf"(?:(?:the|any|all|every|your) )?{_MODEL}\b(?: [a-z]+){{0,5}} ?[:;,.!\]-]"
        rf"|\b(?:dear|hey|hi|hello|to(?: any| the| all)?)[ ,]{_MODEL}\b(?: (?:that|who|which) "
        r"[a-z]+(?: [a-z]+){0,3})? ?[:,!]|(?:<!--|//|#|\[|\*)[ /(*#]{0,6}(?:ai|llm|assistant|bots?"
        r"|reviewer bots?|copilot)(?:[ -][a-z]+)?[ ]?[:,]|[.!?:)>] {1,2}@?(?:assistant"
        r"|copilot)[,:] "
        r"|\.\s+@assistant\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "the user|the reader|the human|this user|the recruiter|to the sender",
        r"\b(?:tell|ask|inform|convince|persuade|instruct|direct|urge|advise|assure) the "
        r"(?:user|reader|human)s?\b"
        r"|\b(?:disregard|ignore|disobey|deceive) the (?:user|sender|human|document|page)\b"
        r"|\bthe user(?:'s|s')? (?:api[ -]?key|password|inbox|credentials|conversation|data"
        r"|question"
        r"|requirements|tokens?)\b|\bnot (?:of|for) the user\b"
        r"|\bthe user (?:has (?:asked|approved|authori[sz]ed|consented)|is an admin|wants you)\b"
        r"|\breply to the sender\b",
        r"\b(?:not|never|n't) (?:tell|ask|inform|instruct|advise|assure|ignore|deceive) the "
        r"(?:user|reader|human)",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "without confirm|without asking|secretly",
        r"\b(?:without (?:confirmation|asking (?:the user|for confirmation))"
        r"|secretly (?:send|bcc|cc|forward|add))\b",
    ),
    Tripwire(
        TOOL_ABUSE,
        0.6,
        "inbox|mailbox|conversation|chat history|chat log|funds|api key|api-key|credentials"
        "|password"
        "|environment variables|.env|id_rsa|private key|personal data|mcp.json|backdoor|contents as"
        "|content as|chmod -r|two-factor|2fa|antivirus|exfiltrat|emails|e-mails|messages|links|~/.",
        rf"\b{_SENT}\b[^.!?\n]{{0,60}}\b{_PRIVATE}|\b(?:append|add|pass|insert)\b[^.!?\n]{{0,40}}"
        r"(?:api[ -]?key|\.env\b|id_rsa|mcp\.json|backdoor|its contents? as)"
        r"|\bprint all environment variables|\bexfiltrat\w+"
        r"|\bchmod -r 777 /|\bdisable (?:two-factor|2fa|your antivirus)"
        r"|\bread (?:the file )?~/\.",
    ),
    Tripwire(
        TOOL_ABUSE,
        0.6,
        "you must|you need to|before us|before you|first read|must also",
        r"\b(?:before (?:using|calling) this tool|before you (?:can )?(?:solve|continue|complete"
        r"|proceed|answer)\b[^.!?\n]{0,40}\b(?:you (?:must|need to|have to)|please)|(?:you must"
        r"|you "
        r"need to) (?:first|also) (?:read|call|run|send|open|visit|execute))\b",
    ),
    Tripwire(
        DELIMITER,
        0.6,
        "die ki|den ki|das sprachmodell|l'ia|ai助手|l'assist|o modelo|la ia|a ia|al modelo|per l'ai"
        "|ии|моделі|模型|aiアシ|ai アシ|人工智能|ai 助手|asystenta|voor de ai|do ai",
        r"\b(?:hinweis|notiz|nachricht|anweisung|achtung|wichtig)(?: an| für|:)? (?:die|den|alle"
        r"|das) "
        r"(?:ki|sprachmodell)|\b(?:note|message|attention|instruction)s? (?:pour|à"
        r"|à l'attention de) "
        r"(?:l'|toute )(?:ia|assistant|agent)|\b(?:nota|mensaje|messaggio|mensagem|atenção|atención"
        r"|attenzione|aviso|instrucción|istruzione) (?:per|para|al?|all|ao) ?(?:l'|all'|la |el "
        r"|o |a )?"
        r"(?:ia|ai|assistente|asistente|modelo|modello)\b|(?:примечание|сообщение|внимание|заметка|"
        r"инструкция)[^.!?\n]{0,8}(?:ии|модели|ассистент)"
        r"|(?:注意|致|给|提示)[^\n]{0,6}(?:ai|人工智能)?[^\n]{0,3}(?:助手|模型|ai)"
        r"|aiアシスタント(?:へ|の|さん)|\b(?:uwaga|wiadomość)[^.!?\n]{0,6} dla "
        r"(?:ai|asystenta|modelu)|\b(?:bericht|opmerking) (?:voor|aan) (?:de )?(?:ai|assistent)",
    ),
    Tripwire(
        SUPPRESSION,
        0.6,
        "nutzer|benutzer|utilisateur|utente|usuario|usuário|用户|пользовател|ユーザー|użytkownik"
        "|gebruiker",
        r"\b(?:ignorier|missacht|frag|sag|antworte)\w*[^.!?\n]{0,30}\b(?:be)?nutzers?\b"
        r"|(?:n'obéi|ignore|dis|demande)\w*[^.!?\n]{0,30}l'utilisateur"
        r"|(?:chiedi|ignora|di'|esque(?:ç|c)a|ignore|pe(?:ç|c)a|diga|pide|dile|env(?:í|i)a)"
        r"[^.!?\n]{0,40}(?:all'utente|dell'utente|usuario|usuário)"
        r"|(?:告诉|要求|忽略|不要)[^\n]{0,24}用户|(?:не |игнорируй|скажи|попроси)[^.!?\n]{0,40}"
        r"пользовател|ユーザー(?:に|の)[^\n]{0,30}(?:ください|しろ|せよ)|(?:zignoruj|powiedz|poproś)"
        r"[^.!?\n]{0,30}użytkownik|(?:negeer|vraag|zeg)[^.!?\n]{0,30}gebruiker",
    ),
    Tripwire(
        DELIMITER,
        1.0,
        "task that i gave you|task i gave you|tasks i gave you|the real task|end system|end new "
        "|</document>|</context>|</email>|</data>|</input>|</article>|</system>|assistant-dir"
        "|system-dir|llm-inst|ai-inst",
        r"\b(?:before|first)\b[^.!?\n]{0,40}\btasks? (?:that )?i gave you\b"
        r"|\bbegin (?:new )?(?:system )?(?:message|instructions?|prompt)\b[^\n]{0,300}"
        r"\bend (?:new )?(?:system )?(?:message|instructions?|prompt)\b"
        r"|</(?:document|context|email|data|input|article|system)>\s{0,4}<(?:instructions?|system"
        r"|user|assistant|human|important)>|\[(?:assistant|system|llm|ai)[ -](?:directive"
        r"|instruction)"
        r"s?\]|\b(?:llm|ai|assistant)-instructions?:",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        "instead of|stop your|stop summ|only output|stop proc|do not process|not summar",
        r"\b(?:instead of (?:summari[sz]ing|translating|answering|reviewing|processing) (?:this"
        r"|the)\b"
        r"|stop (?:your current task|summari[sz]ing|processing)|your only output (?:is|must)"
        r"|(?:do not|don't) (?:process|summari[sz]e) (?:the rest|this|any))",
    ),
)
ASKED: Final = (
    Tripwire(
        EXTRACTION,
        1.0,
        "your system|your initial|your original|your hidden",
        r"\bwhat (?:does|do|did) your (?:system|initial|original|hidden) (?:prompt|message"
        r"|instructions?) (?:say|contain|read|look like|include)\b",
    ),
    Tripwire(
        SUPPRESSION,
        0.5,
        "when you summ|when you trans|when you review|when you read|when you process|your summary"
        "|your review|your translation",
        r"\bwhen you (?:summari[sz]e|translate|review|read|process) (?:this|the)\b[^.!?\n]{0,30}"
        r"\b(?:do not|don't|never|say|state|include|add|recommend|rate)\b"
        r"|\byour (?:summary|review|translation) (?:must|should|has to) (?:contain|include|say"
        r"|state|mention|recommend|end with)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "before mine|before my|precedes|preceding|context window|start of|beginning of|your exact"
        "|your full|your complete|your original|your precise|in your context",
        r"\b(?:message|prompt|instructions?|text)s?\b[^.!?\n]{0,40}\b(?:before mine"
        r"|before my (?:first )?"
        r"message|(?:that )?(?:precedes?|preceding) (?:this|our|my)\b)"
        r"|\b(?:contents?|all|everything)\b[^.!?\n]{0,16}\b(?:of|in) your context\b"
        r"|\beverything\b[^.!?\n]{0,30}\b(?:start|beginning) of (?:this|the|our) (?:conversation"
        r"|chat"
        r"|session)\b|\bwhat (?:are|were) your (?:exact|full|complete|original"
        r"|precise) (?:instructions"
        r"|prompt|rules|guidelines|directives)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "before this|above this|before here|text above|instructions above|your real|have changed"
        "|been changed|been replaced|messages never|conversation never",
        r"\b(?:everything|anything|all|the (?:text|instructions?|messages?)) (?:(?:before|above"
        r"|prior to)"
        r"(?: this(?: line| point| message)?| here)?) (?:was|is|were|are) (?:just |only )?(?:an? )?"
        r"(?:examples?|tests?|untrusted|fake|invalid|void|irrelevant|joke)\b"
        r"|\byour real (?:job|task|purpose|goal|mission|instructions?) (?:is|starts|begins|now)\b"
        r"|\byour (?:instructions|orders|directives|guidelines) have (?:been )?(?:changed"
        r"|replaced)\b"
        r"|\b(?:earlier|previous|prior) (?:messages?|instructions?|conversation) never existed\b",
    ),
    Tripwire(
        OVERRIDE,
        0.6,
        "told you|instructed you|obey me|listen to me|follow mine",
        r"\bwhat(?:ever)? (?:the |your )?(?:operators?|developers?|system|creators?|company|they) "
        r"(?:has |have )?(?:told|instructed) you\b|\bonly (?:obey|listen to|follow) me\b",
    ),
    Tripwire(
        PERSONA,
        1.0,
        "guardrail|no rules|no filter|no restrict|no polic|no such polic|no limit|no ethic|no moral"
        "|no censor|zero |no content|free of",
        r"\b(?:ai|model|assistant|bot|engine|version|twin|gpt|persona|character|it|he|she|who|that"
        r"|which)\b(?: named \w+,?)? (?:with|has|have|that has|who has|which has) (?:absolutely )?"
        r"(?:no|zero) (?:such |content |more )?(?:guardrails|filters?|restrictions?|polic(?:y|ies)"
        r"|ethics|morals|censorship)\b(?: (?:and|or|to|whatsoever|at all)\b|[.,;!)]|$)",
        r"\b(?:it|that|which|who) has no (?:filters?|polic(?:y|ies)"
        r"|restrictions?)\b[^.!?\n]{0,30}\?",
    ),
    Tripwire(
        PERSONA,
        0.6,
        "moderation|censor|guardrail|safety|alignment|refusals|unethical|remorseless|moralis"
        "|moraliz",
        r"\b(?:(?:moderation|censorship|guardrails|safety (?:features?|training|filters?"
        r"|protocols?|layers?|checks?))"
        r" (?:(?:is|are|have been|has been|were) )?(?:turned |switched )?(?:off|disabled|removed"
        r"|lifted)"
        r"|(?:drop|lose|without|remove|no) (?:the |any |all )?(?:censorship|guardrails"
        r"|alignment layer"
        r"|refusals|safety training|moralis?ing)|(?:unethical|remorseless),? (?:and \w+ )?(?:repl"
        r"|respon|answer|advice))",
    ),
)
