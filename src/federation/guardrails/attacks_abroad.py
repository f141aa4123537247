"""What is asked of a model to give away what it was told, in other words than the usual ones; and
this, a model without rules and rules set aside, in languages that share their letters with English.

The trap: an assistant is asked for rules and instructions all day. So they must be its own, or
those of the system; and whoever plays a part without limits must be the one who is spoken to.

Patterns run over the text in lower case, byte by byte: a class in brackets holds ASCII only.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.attacks import EXTRACTION, OVERRIDE, PERSONA, Tripwire

_GAP: Final = r"[^.!?\n]{0,40}?"
_LONG: Final = r"[^.!?\n]{0,60}?"
_OWN: Final = r"your (?:[a-z]+ ){0,2}?(?:instructions|rules|guidelines|directives|prompt)"

TOLD: Final = (
    Tripwire(
        EXTRACTION,
        1.0,
        "instructions|guidelines|directives|prompt|your rules|rules word|rules verb"
        "|rules lit|rules in full|rules exact",
        rf"\b{_OWN}\b[^.!?\n]{{0,20}}\b(?:word for word|verbatim|in full|literally|exactly as)\b"
        rf"|\bexactly what {_OWN}\b"
        r"|\bwhat\b[^.!?\n]{0,30} (?:in|inside) your (?:system |initial |hidden |original )?"
        r"(?:prompt|instructions)\b"
        rf"|\b(?:poem|song|story|haiku|rap|acrostic|essay)\b{_GAP}\b(?:each|every|one)\b"
        rf"[^.!?\n]{{0,30}}\b{_OWN}\b"
        r"|\b(?:words?|lines?|sentences?|paragraphs?|part) of your (?:system |initial |hidden )?"
        r"(?:prompt|instructions)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "hidden rule|secret rule|internal rule|system rule|hidden directive|system message"
        "|system directive|hidden message|internal guideline|hidden guideline|secret guideline",
        rf"\b(?:reveal|print|show|repeat|output|display|tell|give|share|recite|disclose|leak|list"
        rf"|dump|quote|copy)\b{_GAP}\byour (?:[a-z]+ )?(?:hidden|secret|internal|system) "
        r"(?:rules?|directives?|messages?|guidelines?)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "you have been given|you were given|you received|you have received|were you told"
        "|were you given|were you instructed",
        rf"\b(?:summari[sz]e|repeat|tell|list|print|show|reveal|describe|share|quote)\b{_GAP}"
        r"\b(?:instructions?|rules|prompt|guidelines) (?:that |which )?you (?:have been given|were "
        r"given|(?:have )?received)\b"
        r"|\bwhat (?:instructions |rules )?were you (?:told|given|instructed)\b[^.!?\n]{0,20}"
        r"\b(?:before (?:this|the|our) (?:chat|conversation)|at the (?:start|beginning)|initially"
        r"|by (?:the|your) developer)",
    ),
    Tripwire(
        EXTRACTION,
        0.6,
        "system prompt|my instructions|hint|clue|letter",
        r"\bmy (?:system prompt|initial instructions) (?:is|are|says|reads|begins)\b"
        r"|\b(?:hint|clue|first letter|what letter)s?\b[^.!?\n]{0,20}\b(?:the|your) "
        r"(?:secret|pass(?:word|code|phrase))\b",
    ),
    Tripwire(
        EXTRACTION,
        0.4,
        "my system prompt|my initial instr|my secret|my password",
        r"\b(?:complete|finish|continue) (?:this|the) (?:sentence|phrase|line)\b[^\n]{0,20}"
        r"\bmy (?:system prompt|initial instructions|secret|password)\b",
    ),
    Tripwire(
        EXTRACTION,
        1.0,
        "systemprompt|systeemprompt|system-prompt|system prompt|prompt syst|prompt du sys"
        "|ton prompt"
        "|le prompt|votre prompt|prompt de|prompt do|prompt di|systeem-prompt"
        "|prompt systemow|prompty systemow|promptu systemow|promptów|systemanweisung"
        "|systemnachricht|systeeminstr|instrucciones del|instrucciones ocul"
        "|istruzioni di sist|istruzioni iniz|istruzioni nasc|instruções do|instruções ocul"
        "|instructions init|instructions syst|instructions cach|consignes init"
        "|consignes syst|consignes cach|instrucciones inic|instruções inic|instrukcj",
        rf"\b(?:zeig|gib|nenn|verrat|druck|schreib|wiederhol)\w{{0,3}}\b{_GAP}\b(?:deine?n?|den|dein"
        r"|ihre?n?) (?:\S+ )?(?:system-?prompt|systemanweisung|systemnachricht)"
        rf"|\b(?:affiche|montre|donne|révèle|répète|écris|dis)[rz]?\b{_GAP}(?:prompt (?:du )?"
        r"syst|instructions (?:initiales|système|cachées)|consignes (?:initiales|cachées|système)"
        r"|\b(?:ton|le|votre) (?:system )?prompt (?:initial|entier|complet|exact))"
        rf"|\b(?:mu(?:e|é)stra|mostra|mostre|dime|revel[ae]|repit[ae]|imprim[ae]|escrib[ae]|diga"
        rf"|dimmi|rivela|ripeti|scrivi|stampa|escreva)(?:me|mi)?\b{_GAP}(?:prompt (?:del?|do|di) "
        r"(?:el )?sistema|system prompt|instrucciones (?:del sistema|iniciales|ocultas)"
        r"|istruzioni (?:di sistema|iniziali|nascoste)|instruções (?:do sistema|iniciais|ocultas))"
        rf"|\b(?:toon|geef|laat|herhaal|onthul|schrijf)\b{_GAP}(?:systeem-?prompt|systeeminstruc"
        r"|system prompt)"
        rf"|\b(?:pokaż|podaj|wypisz|ujawnij|wyświetl|powtórz)[^.!?\n]{{0,40}}(?:prompt\S{{0,3}} "
        r"systemow|instrukcj\S{1,3} systemow|system prompt)",
    ),
)
SET_ASIDE: Final = (
    Tripwire(
        OVERRIDE,
        1.0,
        "ignorier|vergiss|missacht|gelten nicht|hinfällig|aufgehoben",
        r"\b(?:ignorier\w*|vergiss|vergesst|missachte?) (?:bitte )?alles,? (?:\S+ ){0,3}?"
        r"(?:oben|bisher|vorher|zuvor|davor|bisherige|vorherige)\b"
        r"|\b(?:ignorier\w*|vergiss|missachte?)\b[^.!?\n]{0,20}\bdeine (?:\S+ ){0,2}?"
        r"(?:system)?(?:anweisung|vorgabe|regel|richtlinie)"
        r"|\bdeine (?:\S+ ){0,2}?(?:anweisung|regel|vorgabe|richtlinie|instruktion)\w* "
        r"(?:\S+ ){0,2}?(?:gelten (?:\S+ )?nicht|sind (?:\S+ )?(?:ungültig|aufgehoben|hinfällig))",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "compte d|abstraction d|caso omiso|no sigas|conto de|conto di|desconsider|esqueça|olvida",
        r"\bne (?:tiens|tenez) (?:pas|aucun|plus) compte d(?:e|es)\b[^.!?\n]{0,20}(?:consigne"
        r"|instruction|directive)|\bfai(?:s|tes) abstraction de (?:tes|toutes tes)\b"
        r"|\bcaso omiso (?:de|a) (?:\S+ ){0,3}?(?:instrucc|reglas|directri)"
        r"|\bno sigas (?:más )?(?:las|tus) (?:\S+ )?(?:instrucciones|reglas|directrices)"
        r"(?: (?:del sistema|anteriores|previas)|[.!,])"
        r"|\bnon (?:tenere|tener|tenga) (?:più )?conto d(?:elle|i|egli)\b[^.!?\n]{0,20}(?:istruzion"
        r"|direttiv)|\bdesconsider[ae]\b[^.!?\n]{0,20}(?:instru|diretri)"
        r"|\besqueça tudo (?:o que|isso|acima)|\bolvida todo (?:lo|cuanto)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "negeer alles|vergeet alles|przestrzegaj|stosuj się",
        r"\b(?:negeer|vergeet) alles\b[^.!?\n]{0,20}(?:hierboven|hiervoor|eerder|gezegd|daarvoor)"
        r"|\bnie (?:przestrzegaj|stosuj się do)[^.!?\n]{0,40}(?:polece|instrukc|wytyczn)",
    ),
)
UNBOUND: Final = (
    Tripwire(
        PERSONA,
        1.0,
        "du bist|du hast|tu so|wärst du|hättest du|antworte| ki |ki,|ki ",
        rf"\b(?:du (?:bist|hast)|tu so|als (?:wärst|hättest) du|antworte\w*|ki)\b{_LONG}"
        r"\b(?:ohne|keine(?:rlei)?|niemals|nie)\b (?:\S+ ){0,2}?(?:einschränkung|beschränkung"
        r"|regeln\b|filter(?:[.,!]|$| und| oder)|grenzen\b|zensur|moral\b|ablehn)",
    ),
    Tripwire(
        PERSONA,
        1.0,
        "tu es|agis|fais comme si|joue|une ia|un ia|réponds",
        r"\b(?:tu es|agis|fais comme si|joue|une? ia|réponds)\b"
        rf"{_LONG}\b(?:sans|aucune?|plus de|pas de)\b (?:aucune? )?(?:limite|règle|filtre"
        r"|restriction|censure|contrainte)",
        r"\bjoue[rz]?\b[^.!?\n]{0,20}\b(?:jeu|partie|chanson)",
    ),
    Tripwire(
        PERSONA,
        1.0,
        "eres un|eres el|eres la|ahora eres|actúa|actua como|finge|haz como|una ia|un'ia"
        "|sei un|sei ora|sei adesso|tu sei|agisci|fingi|fai finta|comportati|você é|voce e"
        "|tu és|aja |finja|uma ia",
        rf"\b(?:eres|actúa|actua|finge|haz como|una ia)\b{_LONG}\b(?:sin|no (?:tienes|tuvieras"
        r"|tengas)|ningun[ao]?)\b (?:ningun\S* )?(?:restriccion|filtro|regla|límite|censura)"
        rf"|\b(?:sei (?:ora |adesso )?un|agisci|fingi|fai finta|comportati|un'ia|tu sei)\b?{_LONG}"
        r"\b(?:senza|non (?:avere|hai|avessi)|nessun\S*)\b (?:alcun\S* |nessun\S* )?(?:restrizion"
        r"|filtri\b|regole\b|limiti\b|censura)"
        rf"|\b(?:você é|voce e|tu és|aja|finja|finge|uma ia) {_LONG}\b(?:sem|não tem|nenhum\S*)\b "
        r"(?:nenhum\S* )?(?:restriç|filtro|regras|limites|censura)",
    ),
    Tripwire(
        PERSONA,
        1.0,
        "je bent|doe alsof|een ai|jesteś|udawaj|zachowuj się",
        rf"\b(?:je bent|doe alsof|een ai)\b{_LONG}\b(?:zonder|geen)\b (?:enige )?"
        r"(?:beperking|regels|filter|restrictie|censuur)"
        r"|\b(?:jesteś|udawaj|zachowuj się)[ ,][^.!?\n]{0,60}\b(?:bez|nie masz|nie ma)\b "
        r"(?:żadnych |jakichkolwiek )?(?:ogranicze|zasad|filtr|reguł|cenzury)",
    ),
    Tripwire(
        PERSONA,
        1.0,
        "ограничен|правил|фильтр|цензур|限制|规则|约束|制限",
        r"(?:теперь ты|ты теперь|притворись|представь, что ты|отвечай)[^.!?\n]{0,120}без "
        r"(?:каких-либо |всяких )?(?:ограничен|правил|фильтр|цензур)"
        r"|(?:你现在是|假装你|扮演|从现在开始,?你|你是)[^\n]{0,60}(?:没有|不受)[^\n]{0,24}(?:限制|规则"
        r"|约束)|(?:あなたは)[^\n]{0,90}制限[^\n]{0,6}(?:のない|がない|なし)",
    ),
)
ABROAD: Final = (*TOLD, *SET_ASIDE, *UNBOUND)
