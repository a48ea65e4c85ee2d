"""Brazilian facts that sales needs: CNPJ, phone spellings, states, and what people mean by "parar" or "atendente". Pure.

Sources: Receita Federal IN RFB 2.229/2024 (alphanumeric CNPJ, in use since July 2026); Anatel's ninth digit (Res. 553/2010);
area codes of Anatel's PGCN.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

UFS: dict[str, str] = {
    "AC": "Acre", "AL": "Alagoas", "AM": "Amazonas", "AP": "Amapá", "BA": "Bahia", "CE": "Ceará", "DF": "Distrito Federal",
    "ES": "Espírito Santo", "GO": "Goiás", "MA": "Maranhão", "MG": "Minas Gerais", "MS": "Mato Grosso do Sul", "MT": "Mato Grosso",
    "PA": "Pará", "PB": "Paraíba", "PE": "Pernambuco", "PI": "Piauí", "PR": "Paraná", "RJ": "Rio de Janeiro",
    "RN": "Rio Grande do Norte", "RO": "Rondônia", "RR": "Roraima", "RS": "Rio Grande do Sul", "SC": "Santa Catarina",
    "SE": "Sergipe", "SP": "São Paulo", "TO": "Tocantins",
}  # fmt: skip
"""The 26 states and the Federal District, code to name."""

AREA_CODES = frozenset(
    {*range(11, 20), 21, 22, 24, 27, 28, *range(31, 36), 37, 38, *range(41, 50), 51, 53, 54, 55, *range(61, 70)}
    | {71, 73, 74, 75, 77, 79, *range(81, 90), *range(91, 100)}
)
"""Area codes (DDD) that exist. 55 is both Brazil's country code and an area of Rio Grande do Sul."""


# ---- text
def fold(text: str) -> str:
    """Lower case without accents, blanks collapsed: "  São  José " -> "sao jose". For comparing, never for showing."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(bare.casefold().split())


def plain_words(text: str) -> str:
    """Folded text of words and digits only; punctuation and emoji become blanks: "PARAR!! 🙏" -> "parar"."""
    return " ".join(re.sub(r"[^a-z0-9]+", " ", fold(text)).split())


def same_place(one: str, other: str) -> bool:
    """Whether two spellings name the same town: accents, case, apostrophes and hyphens do not count."""
    return place_key(one) == place_key(other)


def place_key(name: str) -> str:
    """What two spellings of one town have in common; for tables of towns."""
    # "d'Oeste", "d Oeste" and "D`oeste" are one town: apostrophes vanish, and so does the blank after the lone "d".
    return re.sub(r"\bd ", "d", plain_words(name))


def parse_uf(text: str) -> str | None:
    """The state's code from its code or its name in any spelling ("sp", "São Paulo"), or None."""
    wanted = plain_words(text)
    if wanted.upper() in UFS:
        return wanted.upper()
    return next((code for code, name in UFS.items() if plain_words(name) == wanted), None)


# ---- CNPJ
def normalise_cnpj(text: str) -> str:
    """Capital letters and digits only, as CNPJs are compared and stored. Says nothing about validity."""
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def parse_cnpj(text: str) -> str | None:
    """The 14 characters of a valid CNPJ, numeric or alphanumeric, masked or not; None when it is not valid.

    Twelve characters 0-9 A-Z and two check digits, modulo 11 over ASCII-48; fourteen equal characters are refused.
    """
    cnpj = normalise_cnpj(text)
    if not re.fullmatch(r"[0-9A-Z]{12}[0-9]{2}", cnpj) or len(set(cnpj)) == 1:
        return None
    for length in (12, 13):
        if cnpj[length] != _check_digit(cnpj[:length]):
            return None
    return cnpj


def _check_digit(body: str) -> str:
    total = sum((ord(char) - 48) * (2 + place % 8) for place, char in enumerate(reversed(body)))
    rest = total % 11
    return "0" if rest < 2 else str(11 - rest)


def format_cnpj(cnpj: str) -> str:
    """The mask people read: 12.ABC.345/01DE-35. Raises ValueError for anything that is not a valid CNPJ."""
    valid = parse_cnpj(cnpj)
    if valid is None:
        raise ValueError("cnpj: not a valid CNPJ")
    return f"{valid[:2]}.{valid[2:5]}.{valid[5:8]}/{valid[8:12]}-{valid[12:]}"


_CNPJ_IN_TEXT = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{2}[. ]?[0-9A-Z]{3}[. ]?[0-9A-Z]{3}[/ ]?[0-9A-Z]{4}[- ]?[0-9]{2}(?![0-9A-Z])")


def find_cnpj(text: str) -> str | None:
    """The first valid CNPJ inside a sentence, normalised, or None."""
    upper = text.upper()
    for start in range(len(upper)):
        found = _CNPJ_IN_TEXT.match(upper, start)
        if found and (cnpj := parse_cnpj(found.group())):
            return cnpj
    return None


# ---- phones
def phone_e164(text: str, *, international: bool = False) -> str | None:
    """One E.164 spelling per phone, "+" included; None when it cannot be a phone.

    Brazilian mobiles get their ninth digit ("554499990000" and "(44) 99999-0000" meet in "+5544999990000"). Without country
    code Brazil is assumed, unless `international` says that the number always carries one (WhatsApp ids do).
    """
    stripped = text.strip()
    if re.search(r"[^\d\s()+.\-/]", stripped):
        return None
    digits = re.sub(r"\D", "", stripped)
    if stripped.startswith("+") or digits.startswith("00"):
        international, digits = True, digits.removeprefix("00")
    brazilian = _brazilian(digits, international)
    if brazilian is not None:
        return f"+55{brazilian}"
    if international and 8 <= len(digits) <= 15 and not digits.startswith(("0", "55")):
        return f"+{digits}"
    return None


def _brazilian(digits: str, international: bool) -> str | None:
    """Area code and subscriber number with the ninth digit of mobiles, or None when the digits are not Brazilian."""
    if len(digits) in (12, 13) and digits.startswith("55"):
        national = digits[2:]
    elif not international:
        national = digits.removeprefix("0")
    else:
        return None
    if len(national) not in (10, 11) or int(national[:2]) not in AREA_CODES:
        return None
    area, subscriber = national[:2], national[2:]
    if len(subscriber) == 9:
        return national if subscriber[0] == "9" else None
    if subscriber[0] in "6789":
        return f"{area}9{subscriber}"
    return national if subscriber[0] in "2345" else None


def phone_variants(text: str, *, international: bool = False) -> tuple[str, ...]:
    """Every E.164 spelling under which the same person may be known, the normal one first; empty when it is no phone.

    WhatsApp itself spells many Brazilian mobiles without their ninth digit, though such a number cannot be dialled.
    """
    normal = phone_e164(text, international=international)
    if normal is None:
        return ()
    if re.fullmatch(r"\+55\d{2}9[6-9]\d{7}", normal):
        return (normal, normal[:5] + normal[6:])
    return (normal,)


def same_phone(one: str, other: str) -> bool:
    """Whether two spellings are one phone. False when either is not a phone."""
    normal = phone_e164(one)
    return normal is not None and normal == phone_e164(other)


# ---- what people mean
_PLEASE = r"(?:por favor|pfv?|por gentileza)"
_HELLO = r"(?:oi|ola|opa|bom dia|boa tarde|boa noite)"
_POLITE = re.compile(rf"^(?:(?:{_HELLO}|{_PLEASE}) )+|(?: (?:{_PLEASE}|obrigad[oa]|obg|grat[oa]))+$")
_NEWS = r"(?:mensagem|mensagens|msg|msgs|propagandas?|promocao|promocoes|ofertas?|anuncios?)"
_MESSAGES = rf"(?:nada|isso|(?:as |essas |suas |esse tipo de )?{_NEWS})"
_LIST = r"(?:da|dessa|desta|de sua|da sua) lista(?: de (?:contatos|transmissao|envio|mensagens))?"
_OPT_OUT = re.compile(
    "|".join(
        (
            r"parar|pare|para|sair|stop|unsubscribe|descadastrar|descadastre|descadastra|remover",
            rf"(?:quero|queria|gostaria de|desejo|pode) (?:me )?(?:sair|parar|descadastrar)(?: {_LIST})?",
            r"(?:quero |queria |pode |podem )?(?:me )?descadastr\w+(?: (?:meu|o meu) numero)?",
            r"(?:(?:eu )?nao (?:quero|desejo)|quero parar de|pare de|parem de|para de)(?: mais)?"
            r" (?:receber|me mandar|me enviar|mandar|enviar)(?: mais)?"
            rf"(?: {_MESSAGES})?(?: (?:de voces|por aqui|no whatsapp))?",
            rf"(?:eu )?nao (?:me )?(?:mande|manda|mandem|envie|enviem|envia) (?:mais )?{_MESSAGES}(?: mais)?",
            r"(?:pode |podem |quero que )?(?:me )?(?:tira|tire|tirem|tirar|remove|remova|remover|exclui|exclua|excluir)"
            rf"(?: (?:me|o meu numero|meu numero))? {_LIST}",
        )
    )
)
_MAYBE_OPT_OUT = re.compile(r"(?:quero |pode )?(?:cancelar|cancela|cancele)|chega|encerrar")
_ERASURE = re.compile(
    r"\b(?:apag|exclu|delet|elimin|remov)\w+ (?:\w+ ){0,2}?(?:meus dados|minhas informacoes|meu cadastro|dados pessoais)\b"
)
_ONE = r"(?:(?:um|uma|o|a|algum|alguma|outro|outra|seu|sua) )?"
_STAFF = r"(?:atendentes?|humanos?|vendedor(?:a|es)?|consultor(?:a|es)?|representantes?|gerentes?)"
_PERSON = rf"(?:{_STAFF}|pessoas?(?: (?:de verdade|real))?|alguem)"
_HUMAN_ALONE = re.compile(rf"{_ONE}(?:{_STAFF}|atendimento humano|pessoa (?:real|de verdade))")
_HUMAN_ASK = re.compile(
    "|".join(
        (
            rf"\b(?:falar|conversar|falo|converso|tratar) (?:\w+ ){{0,2}}?com {_ONE}{_PERSON}\b",
            r"\b(?:quero|queria|preciso(?: de)?|prefiro|chama|chame|chamar|gostaria de) "
            rf"{_ONE}(?:{_STAFF}|atendimento humano|pessoa (?:real|de verdade))\b",
            rf"\b(?:pass|transf|encaminh)\w+ (?:\w+ )?(?:para|pra|pro|ao|a) {_ONE}{_PERSON}\b",
        )
    )
)
_NOT_ASKING = re.compile(
    r"\b(?:nao|nem|sem) (?:\w+ ){0,3}?(?:falar|conversar|quero|preciso|precisa|queria|pass\w+|transf\w+|cham\w+)\b"
    r"|\b(?:ja|ontem|consegui|acabei de) (?:\w+ ){0,3}?(?:falar|conversar)\b|\bfalei\b|\bconversei\b"
)

OptOut = Literal["opt_out", "confirm"]


def opt_out(text: str) -> OptOut | None:
    """Whether the whole message asks to receive nothing more. "confirm" for words that also occur inside a sale ("cancelar").

    Only the whole message counts: "parar a máquina" and "sair do orçamento" are business.
    """
    words = _POLITE.sub("", plain_words(text))
    if _OPT_OUT.fullmatch(words):
        return "opt_out"
    return "confirm" if _MAYBE_OPT_OUT.fullmatch(words) else None


def wants_erasure(text: str) -> bool:
    """Whether the person asks for their data to be deleted (LGPD art. 18): another flow than opt-out."""
    return _ERASURE.search(plain_words(text)) is not None


def wants_human(text: str) -> bool:
    """Whether the person asks for a human. Handing over too often is cheap; arguing with somebody who asked is not."""
    words = _POLITE.sub("", plain_words(text))
    if _HUMAN_ALONE.fullmatch(words):
        return True
    return _HUMAN_ASK.search(words) is not None and _NOT_ASKING.search(words) is None
