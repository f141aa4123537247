"""The same attempt in languages whose verbs end a sentence, or that are written in other letters.

The trap: everybody forgets, skips and overlooks rules there, too, and here few know the words. So
the verb counts only with instructions that are all of them, or those before; and whoever says
not to do so attacks nobody.

Patterns run over the text in lower case, byte by byte: a class in brackets holds ASCII only.
"""

from __future__ import annotations

from typing import Final

from federation.guardrails.attacks import OVERRIDE, Tripwire

_GAP: Final = r"[^.!?\n]{0,60}?"
_NORTH: Final = (
    r"(?:instru(?:k|ks|x)|regl|regel|anvisning|retningslinj|riktlinj|ordre|order|befaling|"
    r"besked|beskjed|systemprompt)"
)
_NORTHERN: Final = (
    r"\b(?:ignorera|ignorer|gl(?:ö|ø|o)m|glem|bortse fr(?:å|a)n|strunta i|se bort fra|overse|"
    r"tilsides(?:æ|ae)t|(?:å|a)sidos(?:ä|a)tt)\b"
)

OVERRIDES_ABROAD: Final = (
    Tripwire(
        OVERRIDE,
        1.0,
        "ignorer|glöm|glem|bortse|strunta|se bort|overse|tilsides|sidosätt",
        rf"{_NORTHERN}{_GAP}\b(?:alla?|allt|alle|alt|tidigare|tidligere|f(?:ö|o)reg(?:å|a)ende|"
        rf"foreg(?:å|a)ende|forrige|ovanst(?:å|a)ende|ovenst(?:å|a)ende|dina|dine)\b{_GAP}"
        rf"\b{_NORTH}|{_NORTHERN}{_GAP}\b{_NORTH}\S{{0,8}} (?:ovan|ovenfor|over)\b",
        r"\b(?:ikke|inte|aldri?g?) (?:å |att )?(?:ignorer|gl(?:ö|ø|o)m|glem|overse|bortse|strunta)"
        r"|\b(?:ignorera?|gl(?:ö|ø|o)m|glem|overse) (?:ikke|inte|aldri?g?)\b",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "yok say|unut|görmezden gel|dikkate alma|göz ardı et",
        rf"(?:önceki|yukarıdaki|tüm|bütün|verilen)\b{_GAP}(?:talimat|yönerge|kural|komut|istem)"
        rf"{_GAP}(?:yok say|unut|görmezden gel|dikkate alma|göz ardı et)(?:ın|in|un|ınız|iniz)?"
        r"(?:[^a-z\x80-\xff]|$| ve )",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "unohda|ohita|jätä huomiotta|sivuuta",
        rf"\b(?:unohda|ohita|jätä huomiotta|sivuuta)\b{_GAP}(?:kaikki|aiem|aikaisem|edelli|yllä)"
        rf"{_GAP}(?:ohje|sään|käsky)",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "abaikan|lupakan|bỏ qua|quên",
        rf"\b(?:abaikan|lupakan)\b{_GAP}(?:instruksi|perintah|aturan|arahan){_GAP}(?:sebelum"
        rf"|di atas|anda)|\b(?:abaikan|lupakan) (?:semua|segala)\b{_GAP}"
        r"(?:instruksi|perintah|aturan|arahan)"
        r"|(?:bỏ qua|quên)[^.!?\n]{0,60}(?:hướng dẫn|chỉ dẫn|chỉ thị|quy tắc|mệnh lệnh)"
        r"[^.!?\n]{0,40}(?:trước|trên)",
        r"\bjangan (?:abaikan|lupakan)|(?:đừng|không) (?:bỏ qua|quên)",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "ignoruj|zapome|zabudni|ignora|ignoră|uita|uită|figyelmen|felejtsd",
        rf"\b(?:ignorujte?|zapomeňte?|zabudnite?)\b{_GAP}(?:všech|předchoz|predchádz|předešl|výše)"
        rf"{_GAP}(?:pokyn|instrukc|inštrukci|pravid|příkaz)"
        rf"|\b(?:ignor(?:ă|a|ați|aţi)|uit(?:ă|a|ați|aţi))(?: de)? {_GAP}"
        rf"(?:toate|anterioare|precedente|de mai sus){_GAP}(?:instruc|regul)"
        rf"|\b(?:ignor(?:ă|ați|aţi)|uit(?:ă|ați|aţi)) {_GAP}instruc{_GAP}(?:anterioare|precedente)"
        rf"|(?:hagyd|hagyja) figyelmen kívül{_GAP}(?:utasítás|szabály)"
        rf"|felejtsd el{_GAP}(?:összes|minden|korábbi|előző){_GAP}(?:utasítás|szabály)",
        r"\bnu (?:ignora|uita)|\bne(?:ignoruj|zapome)|\bne (?:hagyd|felejtsd)",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "отбрось|zapome|bortse|システム",
        r"отбрось[^.!?\n]{0,30}(?:ограничен|правил|инструкц)"
        r"|\bzapome(?:ň|n)\b[^.!?\n]{0,20}v(?:š|s)echn[^.!?\n]{0,30}(?:pravidl|pokyn|instrukc)"
        r"|\bbortse från (?:alla|tidigare)[^.!?\n]{0,20} (?:instruktion|regl)"
        r"|システムの(?:指示|命令|ルール|プロンプト)を[^\n]{0,8}無視し(?:て|ろ|、)",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "αγνό|αγνο|ξέχα|ξεχά|ігнору|забудь",
        r"(?:αγνόησε|αγνοήστε|ξέχασε|ξεχάστε)[^.!?\n]{0,60}(?:όλες|όλους|προηγούμεν|παραπάνω)"
        r"[^.!?\n]{0,60}(?:οδηγί|εντολ|κανόν)"
        r"|(?:ігноруй|забудь)[^.!?\n]{0,60}(?:усі|всі|попередн)[^.!?\n]{0,60}"
        r"(?:інструкц|правил|вказів)",
    ),
    Tripwire(
        OVERRIDE,
        1.0,
        "تجاهل|انس|अनदेखा|नज़रअंदाज|नजरअंदाज|भूल|無視|忘れ|무시|잊",
        r"(?:تجاهل|انس)[^.!\n]{0,80}(?:تعليمات|القواعد|الأوامر|التوجيهات)[^.!\n]{0,40}"
        r"(?:السابق|أعلاه)|(?:تجاهل|انس) (?:جميع|كل)[^.!\n]{0,60}(?:تعليمات|القواعد|الأوامر)"
        r"|(?:पिछले|पिछली|सभी|उपरोक्त)[^\n]{0,80}(?:निर्देश|नियम|आदेश)[^\n]{0,60}"
        r"(?:अनदेखा|नज़रअंदाज|नजरअंदाज|भूल) (?:कर|जा)"
        r"|(?:以前|これまで|すべて|全て|上記|前の)[^\n]{0,40}(?:指示|命令|ルール|プロンプト)[^\n]{0,40}"
        r"(?:無視し(?:て|ろ|、)|忘れ(?:て|ろ))"
        r"|(?:이전|모든|위의|앞의)[^\n]{0,60}(?:지시|명령|규칙|프롬프트)[^\n]{0,40}(?:무시(?:하|해)|잊어)",
        r"(?:لا ت(?:تجاهل|نس))|(?:無視し|忘れ)ないで",
    ),
)
