"""National identity and tax numbers: form, check digit, and whether a word must stand beside.

A number whose form and check digit leave less than about one chance in a thousand is taken
as it stands; the others count only beside a word that names them. Each row names the rule's
source. The trap: dates inside are checked for month and day only, for people are older than
any table of years.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from federation.guardrails import national_checks as checks
from federation.guardrails.scripts import NAMES_ID

_CAPITAL: Final = re.compile(rb"[A-Z]")
_BARE: Final = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class NationalId:
    """One kind of number. `check` gets capitals and digits without separators."""

    country: str
    pattern: bytes
    check: Callable[[str], bool]
    words: bytes = b""
    """What must stand before it, as a pattern; empty where it is told by itself."""

    @property
    def is_checked(self) -> bool:
        """Whether its digits tell something of themselves."""
        return self.check is not checks.varied

    @property
    def numeric(self) -> bool:
        """Whether it can be found among digits and signs alone."""
        return not _CAPITAL.search(self.pattern)


def bare(value: bytes) -> str:
    """Capitals and digits alone."""
    return value.translate(_BARE, b" .-+/\t").decode("latin-1")


LETTERED_WORDS: Final = (
    rb"\bdni\b|\bni[ef]\b|national insurance|\bnino\b|\bni (?:no|number)\b|codice fiscale|"
    rb"\bpan (?:card|no|number)\b|\bcurp\b|\bhetu\b|\bnric\b"
)
"""Behind these a number with letters counts in small ones, too, as people type it."""
GERMAN_CARD: Final = (
    rb"(?:personalausweis|ausweis-?(?:nummer|nr)|identity card|\bid card)[^\n0-9]{0,32}?"
    rb"\b([LMNPRTVWXY][0-9CFGHJKLMNPRTVWXYZ]{8}[0-9])\b"
)
"""The number of an identity card with its check digit, behind a word for one."""
_TAX: Final = rb"steuer|\btax\b|\btin\b|identifikationsnummer|\bid-?n(?:r|ummer)\b"
NATIONAL_IDS: Final = (
    NationalId(
        "gb",
        rb"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ -]?(?:[0-9]{2}[ -]?){3}[A-D]\b",
        checks.nino,
    ),
    NationalId(
        "gb",
        rb"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}\b",
        checks.nhs,
        rb"\bnhs\b",
    ),
    NationalId(
        "ca",
        rb"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}\b",
        checks.sin,
        rb"\bsin\b|social insurance|\bnas\b",
    ),
    NationalId(
        "de",
        rb"\b[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3}\b",
        checks.steuer_id,
        _TAX,
    ),
    NationalId(
        "ch",
        rb"\b[0-9]{3}\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}\b",
        checks.ahv,
    ),
    NationalId(
        "ch",
        rb"\b[0-9]{3} ?[0-9]{4} ?[0-9]{4} ?[0-9]{2}\b",
        checks.ahv,
        rb"\bahv|\bavs\b|\boasi\b|\bnavs|sozialversicherung|numero avs",
    ),
    NationalId(
        "at",
        rb"\b[1-9][0-9]{3}[ ]?[0-9]{6}\b",
        checks.austrian,
        rb"sozialversicherung|versicherungsnummer|\bsvnr\b|\bsv-?(?:nr|nummer)\b",
    ),
    NationalId(
        "cl",
        rb"\b[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9]\b|\b[0-9]{7,8}-[0-9]\b",
        checks.rut,
        rb"\brut\b|\br\.u\.t\b|rol \xfanico|rol unico|c\xe9dula|cedula",
    ),
    NationalId(
        "cl",
        rb"\b[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-K\b",
        checks.rut,
    ),
    NationalId(
        "pt",
        rb"\b[0-9]{3} ?[0-9]{3} ?[0-9]{3}\b",
        checks.portuguese,
        rb"\bnif\b|contribuinte|n\xfamero fiscal|numero fiscal",
    ),
    NationalId(
        "fr",
        rb"\b[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}\b",
        checks.nir,
    ),
    NationalId(
        "fr",
        rb"\b[12][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?2[AB][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}\b",
        checks.nir,
    ),
    NationalId(
        "es",
        rb"\b(?:[0-9]{8}|[XYZ][ -]?[0-9]{7})[ -]?[A-HJ-NP-TV-Z]\b",
        checks.dni,
    ),
    NationalId(
        "it",
        rb"\b[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]\b",
        checks.codice_fiscale,
    ),
    NationalId(
        "nl",
        rb"\b[0-9]{9}\b|\b[0-9]{4}[. ][0-9]{2}[. ][0-9]{3}\b",
        checks.bsn,
        rb"\bbsn\b|burgerservice|sofi",
    ),
    NationalId(
        "be",
        rb"\b[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}\b",
        checks.belgian,
    ),
    NationalId(
        "be",
        rb"\b[0-9]{11}\b",
        checks.belgian,
        rb"rijksregister|registre national|\binsz\b|\bniss\b",
    ),
    NationalId(
        "pl",
        rb"\b[0-9]{11}\b",
        checks.pesel,
        rb"\bpesel\b",
    ),
    NationalId(
        "pl",
        rb"\b[0-9]{3}-?[0-9]{3}-?[0-9]{2}-?[0-9]{2}\b|\b[0-9]{3}-[0-9]{2}-[0-9]{2}-[0-9]{3}\b",
        checks.nip,
        rb"\bnip\b",
    ),
    NationalId(
        "se",
        rb"\b(?:19|20)?[0-9]{6}[-+][0-9]{4}\b",
        checks.swedish,
    ),
    NationalId(
        "se",
        rb"\b(?:19|20)[0-9]{10}\b|\b[0-9]{10}\b",
        checks.swedish,
        rb"\bpersonn|\bpers\.? ?nr\b|samordningsn|\bpnr\b",
    ),
    NationalId(
        "fi",
        rb"\b[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b",
        checks.hetu,
    ),
    NationalId(
        "fi",
        rb"\b[0-3][0-9][01][0-9]{3}[-+][0-9]{4}\b",
        checks.hetu,
    ),
    NationalId(
        "dk",
        rb"\b[0-3][0-9][01][0-9]{3}-?[0-9]{4}\b",
        checks.danish,
        rb"\bcpr\b|personnummer",
    ),
    NationalId(
        "no",
        rb"\b[0-9]{6} ?[0-9]{5}\b",
        checks.norwegian,
        rb"f\xf8dsels|fodsels|personnummer|\bfnr\b",
    ),
    NationalId(
        "br",
        rb"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b",
        checks.cpf,
    ),
    NationalId(
        "br",
        rb"\b[0-9]{11}\b",
        checks.cpf,
        rb"\bcpf\b",
    ),
    NationalId(
        "in",
        rb"\b[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}\b",
        checks.aadhaar,
        rb"\baadh?aar\b|\buidai\b|" + NAMES_ID,
    ),
    NationalId(
        "in",
        rb"\b[2-9][0-9]{11}\b",
        checks.aadhaar,
        rb"\baadh?aar\b|\buidai\b|" + NAMES_ID,
    ),
    NationalId(
        "in",
        rb"\b[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]\b",
        checks.varied,
    ),
    NationalId(
        "au",
        rb"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}\b",
        checks.tfn,
        rb"\btfn\b|tax file",
    ),
    NationalId(
        "sg",
        rb"\b[STFG][0-9]{7}[A-Z]\b",
        checks.nric,
    ),
    NationalId(
        "cn",
        rb"\b[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9]\b",
        checks.chinese,
    ),
    NationalId(
        "cn",
        rb"\b[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}X\b",
        checks.chinese,
    ),
    NationalId(
        "kr",
        rb"\b[0-9]{2}[01][0-9][0-3][0-9]-[1-8][0-9]{6}\b",
        checks.korean,
    ),
    NationalId(
        "jp",
        rb"\b[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}\b",
        checks.japanese,
        rb"\bmy[ _]?number\b|\bindividual number\b|" + NAMES_ID,
    ),
    NationalId(
        "tr",
        rb"\b[1-9][0-9]{10}\b",
        checks.turkish,
        rb"\btckn\b|kimlik|\btc ?(?:no|num)|\bt\.c\.",
    ),
    NationalId(
        "za",
        rb"\b[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]) ?[0-9]{4} ?[0-2][0-9]{2}\b",
        checks.south_african,
        rb"\bid\b|identity",
    ),
    NationalId(
        "mx",
        rb"\b[A-Z][AEIOUX][A-Z]{2}[0-9]{2}[01][0-9][0-3][0-9][HMX][A-Z]{5}[0-9A-Z][0-9]\b",
        checks.varied,
    ),
    NationalId(
        "us",
        rb"\b9[0-9]{2}[- ](?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-24-9])[- ][0-9]{4}\b",
        checks.varied,
    ),
    NationalId(
        "us",
        rb"\b[0-9]{2}-[0-9]{7}\b",
        checks.varied,
        rb"\bein\b|employer id|\btin\b|tax id",
    ),
)
"""Sources: HMRC NIM39110, NHS data dictionary, Canada T4127, BZSt, INSEE, RD 1553/2005, DM
12/03/1974, RvIG, Rijksregister, PESEL act, NIP act, SKV 704, DVV, CPR, Skatteetaten, Receita
Federal, UIDAI, Income-tax rule 114, ATO, ICA, GB 11643, MOIS, DHA, RENAPO, IRS (ITIN, EIN), ZAS
(AHV), Dachverband (SVNR), SII (RUT), Portaria 377/2003 (NIF), ICAO 9303 (German cards),
ordinance 85/2014 of the Ministry of Internal Affairs (Japan), NVI (Turkey)."""
