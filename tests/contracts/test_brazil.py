"""CNPJ, phones, states, towns, and what people mean by "parar" or "atendente"."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from vendor_support import contract

from knowledge.domain.brazil import (
    AREA_CODES,
    UFS,
    find_cnpj,
    fold,
    format_cnpj,
    normalise_cnpj,
    opt_out,
    parse_cnpj,
    parse_uf,
    phone_e164,
    phone_variants,
    plain_words,
    same_phone,
    same_place,
    wants_erasure,
    wants_human,
)

_ALPHABET = string.digits + string.ascii_uppercase
_BODIES = st.text(_ALPHABET, min_size=12, max_size=12)


def reference_cnpj(body: str) -> str:
    """Twelve characters with their check digits, by the tables of weights as the tax office prints them (not by our formula)."""
    weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]
    for table in (weights[1:], weights):
        rest = sum((ord(char) - ord("0")) * weight for char, weight in zip(body, table, strict=True)) % 11
        body += str(0 if rest in (0, 1) else 11 - rest)
    return body


# ---- CNPJ
@given(_BODIES)
def test_every_body_has_exactly_one_pair_of_check_digits(body: str) -> None:
    cnpj = reference_cnpj(body)
    assume(len(set(cnpj)) > 1)
    assert parse_cnpj(cnpj) == cnpj
    wrong = [f"{body}{digits:02d}" for digits in range(100) if f"{body}{digits:02d}" != cnpj]
    assert all(parse_cnpj(other) is None for other in wrong)


@given(_BODIES)
def test_masks_and_case_do_not_count(body: str) -> None:
    cnpj = reference_cnpj(body)
    assume(len(set(cnpj)) > 1)
    masked = format_cnpj(cnpj)
    assert parse_cnpj(masked) == parse_cnpj(masked.lower()) == parse_cnpj(f"  {cnpj} ") == normalise_cnpj(masked) == cnpj
    assert find_cnpj(f"nosso cnpj é {masked.lower()}, ok?") == cnpj


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    for found in (parse_cnpj(text), find_cnpj(text)):
        assert found is None or (len(found) == 14 and parse_cnpj(found) == found)


@pytest.mark.parametrize("text", ["", "1" * 14, "0" * 14, "12ABC34501DE3A", "1122233300018", "112223330001811", "é" * 14])
def test_what_is_no_cnpj(text: str) -> None:
    assert parse_cnpj(text) is None
    with pytest.raises(ValueError, match="cnpj"):
        format_cnpj(text)


def test_the_published_cnpj_vectors() -> None:
    vectors = contract("signature_vectors.json")["cnpj"]
    assert all(parse_cnpj(text) for text in vectors["valid"])
    assert not any(parse_cnpj(text) for text in vectors["invalid"])


def test_a_phone_or_a_date_in_a_sentence_is_not_a_cnpj() -> None:
    assert find_cnpj("liga no 44 99999-0000 dia 21/11/2026, pedido 123456789012") is None
    assert find_cnpj("é 11222333000181.") == "11222333000181"


# ---- phones
_MOBILE = st.tuples(st.sampled_from(sorted(AREA_CODES)), st.integers(6000_0000, 9999_9999)).map(lambda n: (str(n[0]), str(n[1])))


@given(_MOBILE)
def test_every_spelling_of_a_mobile_is_one_phone(number: tuple[str, str]) -> None:
    area, tail = number
    normal = f"+55{area}9{tail}"
    spellings = [
        f"({area}) 9{tail[:4]}-{tail[4:]}", f"{area}9{tail}", f"0{area} 9{tail}", f"{area} {tail[:4]} {tail[4:]}",
        f"+55 {area} {tail}", f"0055{area}9{tail}", f"55{area}9{tail}", f"55{area}{tail}",
    ]  # fmt: skip
    assert {phone_e164(text) for text in spellings} == {normal}
    for text in (f"55{area}9{tail}", f"55{area}{tail}", normal):
        assert phone_e164(text, international=True) == normal
    assert phone_variants(normal) == (normal, f"+55{area}{tail}")
    assert same_phone(f"55{area}{tail}", normal)


@given(st.sampled_from(sorted(AREA_CODES)), st.integers(2000_0000, 5999_9999))
def test_landlines_keep_eight_digits(area: int, subscriber: int) -> None:
    assert phone_e164(f"({area}) {subscriber}") == f"+55{area}{subscriber}"
    assert phone_variants(f"55{area}{subscriber}", international=True) == (f"+55{area}{subscriber}",)


@given(st.text(max_size=25), st.booleans())
def test_a_normal_phone_stays_as_it_is(text: str, international: bool) -> None:
    normal = phone_e164(text, international=international)
    if normal is not None:
        assert normal[0] == "+" and normal[1:].isdigit() and normal.isascii()
        assert phone_e164(normal) == phone_e164(normal, international=True) == normal


@pytest.mark.parametrize(
    ("text", "international", "normal"),
    [
        ("55 99912-3456", False, "+5555999123456"),  # area 55, in Rio Grande do Sul
        ("5555999123456", True, "+5555999123456"),
        ("16505551212", True, "+16505551212"),
        ("16505551212", False, None),
        ("+351 912 345 678", False, "+351912345678"),
        ("20 99999-0000", False, None),  # no such area
        ("44 89999-0000", False, None),
        ("5544999990000@c.us", True, None),
        ("70000000000001@lid", True, None),
        ("551", True, None),
        ("", False, None),
    ],
)
def test_edges_of_phones(text: str, international: bool, normal: str | None) -> None:
    assert phone_e164(text, international=international) == normal


def test_two_strings_that_are_no_phones_are_not_the_same_phone() -> None:
    assert not same_phone("", "")
    assert not same_phone("ramal", "ramal")


def test_the_published_pairs_of_spellings() -> None:
    for one, other in contract("signature_vectors.json")["br_phone_same_person"]:
        assert same_phone(one, other)


# ---- states, towns, text
def test_states_by_code_and_name() -> None:
    assert len(UFS) == 27
    for code, name in UFS.items():
        assert parse_uf(code.lower()) == parse_uf(name.upper()) == parse_uf(f" {fold(name)} ") == code
    assert parse_uf("Lisboa") is None and parse_uf("") is None


def test_towns_by_any_spelling() -> None:
    assert same_place("Santa Bárbara d'Oeste", "SANTA BARBARA D OESTE")
    assert same_place("São José dos Campos", "sao jose dos campos")
    assert not same_place("São José dos Campos", "São José dos Pinhais")


def test_plain_words_leave_only_words() -> None:
    assert plain_words("  PÁRE!! 🙏🏽  ") == "pare"


# ---- meanings
@pytest.mark.parametrize(
    "text",
    [
        "PARAR", "pare", "Pare!!!", "SAIR 🙏", "stop", "Descadastrar", "remover", "quero sair", "Quero sair da lista",
        "não quero mais receber", "Não quero mais receber mensagens de vocês", "me tira da lista", "Por favor, me tire dessa lista",
        "não me mande mais mensagem", "para de me mandar msg, por favor", "parem de enviar propaganda", "oi, quero me descadastrar",
    ],
)  # fmt: skip
def test_these_opt_out(text: str) -> None:
    assert opt_out(text) == "opt_out"


@pytest.mark.parametrize(
    "text",
    [
        "parar a máquina", "sair do orçamento", "pode parar de ligar? me manda por aqui", "quero parar a linha 2 para manutenção",
        "não mande o boleto ainda", "a máquina não para", "stop motor 220v", "quero receber o catálogo", "para amanhã", "",
        "quero remover a coifa antiga", "não quero mais a mesa, quero o fogão",
    ],
)  # fmt: skip
def test_these_are_business(text: str) -> None:
    assert opt_out(text) is None


@pytest.mark.parametrize("text", ["cancelar", "Cancela!", "quero cancelar", "chega"])
def test_these_are_asked_back(text: str) -> None:
    assert opt_out(text) == "confirm"


@pytest.mark.parametrize(
    "text",
    [
        "atendente", "Humano!", "quero falar com atendente", "Posso falar com uma pessoa de verdade?", "quero um vendedor",
        "me passa para um atendente por favor", "gostaria de falar com alguém do comercial", "chama o gerente",
        "prefiro atendimento humano", "dá pra falar direto com um consultor?", "transfere pra uma vendedora",
    ],
)  # fmt: skip
def test_these_ask_for_a_person(text: str) -> None:
    assert wants_human(text)
    assert opt_out(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "não quero falar com atendente", "falei com um atendente ontem", "já falei com o vendedor", "preciso de uma coifa",
        "é para 40 pessoas", "sou o gerente do restaurante", "quero falar com você sobre preço", "parar", "",
        "não precisa me passar para um vendedor",
    ],
)  # fmt: skip
def test_these_do_not(text: str) -> None:
    assert not wants_human(text)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("apaga meus dados", True), ("Quero que excluam todos os meus dados", True), ("por favor removam o meu cadastro", True),
        ("apaga a luz", False), ("mudei meus dados de entrega", False), ("quero excluir um item do pedido", False),
    ],
)  # fmt: skip
def test_erasure_is_another_wish(text: str, asked: bool) -> None:
    assert wants_erasure(text) is asked
    assert opt_out(text) is None


@given(st.text(max_size=60))
def test_any_text_has_a_meaning_or_none(text: str) -> None:
    assert opt_out(text) in ("opt_out", "confirm", None)
    assert wants_human(text) in (True, False)
    assert wants_erasure(text) in (True, False)
    assert fold(fold(text)) == fold(text)
