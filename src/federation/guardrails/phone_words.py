"""Words that a telephone number stands behind, by language: nouns, verbs, labels of forms.

The trap: whatever is added here must begin with one of the words of `nearby`, which tell whether
a look is worth it at all. Letters beyond Latin-1 stand folded: \xaa is a struck-through l.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.scripts import NAMES_PHONE

INQUIRIES: Final = (
    rb"\b(?:(?:r\xfcckfragen|fragen|infos|informationen|ausk\xfcnfte|auskunft|anmeldung(?:en)?"
    rb"|reservierung(?:en)?|termine?)(?: [a-z]{1,12}){0,2} unter(?: tel\.?)?"
    rb"|(?:renseignements?|r\xe9servations?|infos)(?: [a-z\xe9]{1,12}){0,2} au"
    rb"|(?:informaci[o\xf3]n|reservas|consultas|citas)(?: [a-z]{1,12}){0,2} (?:al|en el)"
    rb"|(?:informazioni|prenotazioni)(?: [a-z]{1,12}){0,2} al"
    rb"|(?:informa\xe7\xf5es|d\xfavidas|reservas)(?: [a-z]{1,12}){0,2} (?:pelo|no)"
    rb"|(?:informatie|vragen|reserveren|afspraken)(?: [a-z]{1,12}){0,2} (?:op|via)"
    rb"|(?:informacje|zapisy|rezerwacje)(?: [a-z]{1,12}){0,2} pod(?: nr)?"
    rb"|(?:per|para|pour|f\xfcr|voor) (?:informazioni|prenotazioni|info|reservas|informaci[o\xf3]n"
    rb"|citas|renseignements|r\xe9servations?|auskunft|ausk\xfcnfte|reservierungen|informatie"
    rb"|reserveringen|informa\xe7\xf5es) ?:?"
    rb"|(?:fr\xe5gor|bokning)(?: [a-z]{1,12}){0,2} p\xe5"
    rb"|info (?:unter|al|au)|(?:e|i)nquiries(?: at| on)?)"
)
"""What is asked for, and where: `Rückfragen unter`."""
_NUMBER: Final = rb"(?:_?(?:no|nr|nbr|num|number)s?)?(?:[_ ]?[0-9])?\b"
BEFORE: Final = (
    rb"(?:(?:(?:\b(?:tele|smart|mobile|i|cell|free)?|_)p|(?-i:[a-z]P))hones?" + _NUMBER + rb"|"
    rb"\bt[e\xe9]lf?\b|\bt(?:lf|fn)\b|\bph(?:[.:]| no\b)|\bmobiles?\b|"
    rb"(?:^|[^.\w])cell(?:ulare?)?\b|\bfax\b|\bwhatsapp\b|\bsms\b|"
    rb"\bpager\b|\bhotline\b|\bhelp ?line\b|\blandline\b|\btoll[ -]free\b|\bvoicemail\b|"
    rb"\bt[e\xe9]l[e\xe9](?:f[o\xf3]|copi|pon)|\btelp\b|\btalrun|\bselfoon|\bya simu\b|\bsimu:|"
    rb"\bno\.? ?hp\b|[\xaad]i[e\xea]n thoai\b|\bs[\xaad]t\b|\bdi [\xaad][o\xf4]ng\b|"
    rb"\bgoi\b|\bhubungi\b|"
    rb"\bmobi(?:l|el)|\bhandy(?:nr|nummer)?\b|\brufnummer|"
    rb"\bfestnetz|\bdurchwahl\b|r\xfcckruf|"
    rb"\b(?:caller|contact|fax|tel|mob|cell|home|work|office|whatsapp|kontakt|subscriber)"
    rb"[ _.-]?(?:(?:no|nr|num(?:ber|mer)?|tel|fax)\b|#)|\bcaller[ _]?id\b|\b(?:fax|tel)_|"
    rb"\bmsisdn\b|"
    rb"\bhand ?phone\b|\btelefax\b|\bfaks\b|\bfon[eo]?\b|\bpuh(?:\.|elin)|\btl?fno\b|\bcel[.:]|"
    rb"\bland line\b|\bsupport line\b|"
    rb"\bsms_to\b|\w's number\b|\bcall cent(?:er|re)\b|"
    rb"\bswitchboard\b|\bbeeper\b|\banswering machine\b|\bddi\b|"
    rb"\bcontact (?:details?|info(?:rmation)?)\b|"
    rb"\b(?:my|his|her) (?:no\.? is|digits)\b|\bau num[e\xe9]ro\b|"
    rb"\bligne directe\b|\bl[i\xed]nea directa\b|\blinea diretta\b|\blinha direta\b|"
    rb"\bvaste lijn\b|\b06-?nummer\b|"
    rb"\bportable\b|\bgsm\b|\bm[o\xf3]vil\b|\btelem[o\xf3]vel|\bcelular|"
    rb"\bcontact (?:number|no)\b|\bcall-?back\b|\bdial-?in\b|_(?:tel|mobile)\b|"
    rb"\b(?:my|his|her|their|our|your) (?:(?:new|old|own|other|cell|work|home|office|direct|"
    rb"personal|private|best|current) )?number\b|\b(?:meine|mijn) nummer\b|\bmi n[u\xfa]mero\b|"
    rb"\bmon num[e\xe9]ro\b|\bmio numero\b|\bmeu n[u\xfa]mero\b|"
    rb"\bkom[o\xf3]rk|\bkom\.|\bkontakt(?:owy)?\b(?: pod)? (?:nr|numer(?:em)?)\b|"
    rb"\bm[o\xf3]j (?:nowy |prywatny )?(?:nr|numer)\b|\bpod numerem\b|\b(?:nr|numer) kontaktowy\b|"
    rb"\binfolini[aei]\b|\bcentralin[oi]\b|\bcentralita\b|\bcentral de atendimento\b|"
    rb"\bnum[e\xe9]ro ver(?:de|t)\b|\b(?:al|no|pelo) n[u\xfa]mero\b|\bunter der nummer\b|"
    rb"\b(?:work|home|office|direct|main|second|emergency) line\b|\b(?:front|help) ?desk\b|"
    rb"\b(?:spam|missed) calls? from\b|\bzap[:. ]|\bfale conosco\b|\bwhats\b|\bport\. ?:|"
    rb"\bmitt? (?:nye? |nya )?(?:nummer|nr)\b|\bnumaram?\b|\bcep (?:tel\w{0,8}|no)\b|\bmob\b|"
    rb"\biletisim\b|\bmera number\b|\bnomor (?:hp|telepon|saya)\b|\bmoje c[i\xed]slo\b|"
    rb"\bnumarul meu\b|"
    rb"\bnumeroni\b|\bsz[a\xe1]mom\b|\bh\xedvj|\b(?:beni|bizi) arayin|\bwa\.me/)"
    rb"[^\n0-9]{0,24}|" + NAMES_PHONE + rb"[^\n0-9]{0,24}"
    rb"|\b(?:emergency|notfall|nood)[ -]?(?:contact|kontakt)\b[^\n0-9]{0,40}"
    rb"|\b(?:contact d'urgence|contact[oe] (?:de|d') ?emergencia|contatto (?:di|d')[ ]?emergenza"
    rb"|contato de emerg[e\xea]ncia)\b[^\n0-9]{0,40}"
    rb"|\b(?:(?:calls?|redialed) from|(?:dial|call)(?:s|ed|ing)? in from"
    rb"|(?:an|ge)rufe?n? von|appels? d[eu]|(?:ll|ch)amadas? (?:de|al?|para)"
    rb"|return(?:ing|ed)? calls? to|chiamat[ae] da"
    rb"|gebeld door)(?: (?:the|del|la|il|der))?(?: (?:number|num[e\xe9]ro))?[ :]{1,2}"
    rb"|\b(?:text(?: message)?|sms) (?:to|on|an|al?|au|para|op|na)(?: the)?(?: number)?[ :]{1,2}"
    rb"|\b(?:customer (?:service|care)|kundenservice|service client[s\xe8]?(?:le)?|sav"
    rb"|atenci[o\xf3]n al cliente|servicio t[e\xe9]cnico|assistenza(?: clienti)?|klantenservice"
    rb"|obs\xaauga klienta|kundtj\xe4nst|kundeservice|asiakaspalvelu|apoio ao cliente)"
    rb"(?: number| line| team)?(?: at| on)?[ ]?[ :]{1,2}"
    rb"|\b(?:code|otp|pin)\b[^\n0-9.]{0,24}\b(?:sent|texted) to[ ]"
    rb"|\b(?:send|text)(?: (?:me|us|him|her|them))?(?: (?:the|a|your|my|that))? (?:code|otp|pin)"
    rb" (?:at|to|on)[ ]"
    rb"|" + INQUIRIES + rb"[ :]{1,2}"
    rb"|\b(?:hit me up|give (?:me|us|him|her|them) a (?:call|buzz|ring|shout|bell|text)"
    rb"|(?:get|got) (?:hold of )?(?:me|us|him|her|them)|(?:speak|talk) to (?:me|us)) (?:at|on)[ ]"
    rb"|\b(?:ring|kontakte?|n\xe5r?|sms|soita|(?:za)?volejte|sunati)"
    rb"(?: (?:mig|meg|os|oss|til|p\xe5|igen|tilbage|nu|na|la|minulle|gerne)){1,3}[ :]{1,2}"
)
"""Behind the last ones it follows at once: a call from the office on the 12th is no number."""
VERB: Final = (
    rb"\b(?:call(?:ed|ing|s)?|ring|dial(?:l?ed|l?ing)?|te?xt(?:ed|ing)?|(?:tele)?phon(?:e|ed|ing)|"
    rb"reach(?:ed|able)?|"
    rb"answer(?:ed|ing)?|contact(?:ed|ing)?|rufen?|appel(?:er|ez)|llam(?:ar|e|a)|bel(?:len)?|chiam(?:a|are|ate)"
    rb"|zadzwon(?:ic)?)"
    rb"(?:[ \t,:'\"]{1,3}(?:me|us|him|her|them|you|it|at|on|the|my|our|his|number|no|is|back|now|"
    rb"please|via|by|under|au|al|an|home|work)){0,5}[ \t:,(\"'!]{0,4}"
)
VERB_ABROAD: Final = (
    rb"\b(?:mich|uns)(?: \w{1,12})? unter(?: der \w{0,12}nummer)?[ \t]$|"
    rb"(?:\b(?:anrufen?|rufen?|ruf|erreich(?:en|st|bar)|r?appel(?:er|ez|le)|joindre|joignable|"
    rb"ll[a\xe1]m[ae]r?(?:me|nos|le|lo|la)?|chiam(?:a|i|are|ate|ar)(?:mi|ci|lo|la)?|lig(?:ue|ar|a)|"
    rb"(?:terug)?bel(?:len)?|bereik(?:en|baar)|contacte[zr]?|contatta(?:re|te)?(?:ci|mi)?|contattar(?:ci|mi)|"
    rb"cont[a\xe1]ct(?:e|a|ar)(?:me|nos|se)|comun[i\xed](?:car|que)(?:se|me|nos)|localizar(?:me|nos)"
    rb"|marque|marcar|trovi|trova(?:mi|te|r?ci)|reperibil[ei]|app(?: me| ons)|"
    rb"escr[i\xed]b[ae](?:me|nos)|(?:za|od|prze)?dzwon(?:ic|ie|i|cie)?)|\btelefonisch\b[^\n]{0,24})"
    rb"(?:[ \t,:'\"-]{1,3}(?:sie|mich|uns|ihn|ihm|unter|der|die|nummer|an|bitte|mir|"
    rb"moi|me|nous|le|au|num[e\xe9]ro|al|el|en|para|no|por|favor|il|mij|ons|op|naar|nos|"
    rb"atrav[e\xe9]s|do|de|volta|o|ao|gratis|gratuitement|mnie|nas|pod|na|nr|numer|prosz[ea])){1,6}"
    rb"[ \t:,(\"']{0,4}"
)
_SOMEBODY: Final = rb"(?:[ ](?-i:[A-Z\xc0-\xde\xaa])[^\s0-9,;:]{0,15}){1,3}"
_SOMEWHERE: Final = (
    rb"[ ](?:(?:the|our|my|your|his|her) )?(?:office|desk|team|clinic|shop|store|hotel|bank|school|"
    rb"reception|front desk|doctor|driver|physician|nurse|pharmacy|dispatcher|landlord|owner|seller"
    rb"|concierge|police|support|sales)"
)
VERB_AND_NAME: Final = (
    rb"\b(?:call|ring|reach|contact|phone|text|erreichen|joindre|r?appel(?:er|ez|le)|contacte[rz]?"
    rb"|contactar|n\xe5r|ringa?|kontakta"
    rb"|llam(?:ar|e|a)|contattare|chiamare|lig(?:ue|ar)|bel)(?: con| para)?(?:"
    + (_SOMEBODY + rb"|" + _SOMEWHERE)
    + rb")[ ](?:(?:at|on|via|unter|au|al|en el|op|p\xe5|atrav[e\xe9]s do|no)[ \t:]"
    rb"|back(?: at| on)?[ ,:])[ \t:]{0,2}$"
)
"""Somebody by name, or one of few places: `call the function at` is no telephone."""
INITIAL: Final = (
    rb"(?:(?:^|[\n\t |,;(*>-])[tmpfhw]:[ \t]{1,2}|(?:^|[\n\t |,;])\([po]\)[ ]{1,2}|"
    rb"(?:^|[\n|>])[ ]?(?-i:[TM])\.[ ]{1,2}|\b(?-i:ph|PH|Ph)[ ]{1,2}"
    rb"|(?:^|[\n|>]|  )[ ]?(?-i:[TMPF])[ ]{1,2}"
    rb"|\bcep ?:?[ ])$"
)
_LINE_ABOVE: Final = (
    rb"(?:^|\n)[ \t>|*-]{0,8}(?:[a-z\xc0-\xff]{1,12}\.?[ ]){0,2}(?:(?:tele|cell)?phone|mobile?|cell"
    rb"|tel|fax|handy|whatsapp|tel[e\xe9]fon[eo]?|t[e\xe9]l[e\xe9]phone|portable|celular|m[o\xf3]vil"
    rb"|cellulare|rufnummer|telefoon|\x81+[^\n0-9]{0,8})(?: (?:no|nr|number|#|[0-9]))?\.?"
    rb"[ \t]{0,2}:?[ \t*|]{0,3}\r?\n[ \t>|*-]{0,8}$"
)
"""A form's field: its name has a line of its own, and the value the next."""
LABEL: Final = (
    rb"\b(?:home|work|office|direct|mob|contact[eo]?s?|contatt?[oi]s?|kontakt|recapito|reception|"
    rb"(?:za|od)?dzwon(?:ic)?|zentrale|centrala|emergency|privat|dienstlich|signal|telegram|viber"
    rb"|facetime|zap|caller|callee|next of kin|terugbellen|alt(?:ernat(?:e|ive))?)"
    rb"[\"']?[ \t]{0,2}\.?[ \t]?[:.][ \t]{0,2}[\"']?$|_contact[\"']?[ ]?[:=][ ]?[\"']?$"
    rb"|\b(?:contact[eo]?s?(?: person)?|contatt?[oi]s?|kontakt(?:person)?|contactpersoon"
    rb"|next of kin|ansprechpartner(?:in)?)[ ]?:?" + _SOMEBODY + rb"[ ,(]{1,3}(?:[a-z]\) ?)?$"
    rb"|\b(?:office|phone|telephone|mobile|cell|fax|contact) numbers? (?:of|for) [^\n]{1,40} is[ ]$"
    rb"|\bmy (?:home|work|office|other) (?:one )?is[ ]$|[,;|(] ?(?:home|work|office|direct)[ ]$"
    rb"|(?:^|[\n\t|,;(*>-])[ \t]{0,4}(?:fijo|fixo|fisso|fixe|vast)[ \t]{0,2}(?::[ \t]{0,2}|[ ])$|"
    + _LINE_ABOVE
)
