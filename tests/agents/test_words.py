"""Prompts and message catalogues: nothing missing in either locale, nothing swallowed."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

import prompts
from agents.offline import sentences
from agents.offline.slots import asked_in
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from prompts.messages import LOCALES, UnknownMessage, catalogue, holes, render
from tools.guardrails import RULES
from tools.guardrails.promises import promised


def test_every_locale_has_every_id_with_the_same_parameters() -> None:
    first, *others = LOCALES
    for locale in others:
        assert catalogue(locale).keys() == catalogue(first).keys()
        for message_id, text in catalogue(first).items():
            assert holes(text) == holes(catalogue(locale)[message_id]), message_id


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_every_rule_has_its_words(rule: str) -> None:
    ids = catalogue("pt-BR")
    assert f"guard.{rule}.allow" in ids or f"guard.{rule}.refuse" in ids or f"guard.{rule}.ask" in ids, f"no words for {rule}"


def test_values_are_written_as_the_locale_writes_them() -> None:
    params = {"cap": Money.of("1500", "BRL"), "spent": {"minor": 123456, "currency": "BRL"}}
    message = Message(id="guard.over_cap.allow", params=params)
    brazilian = render(message, "pt-BR").replace("\xa0", " ")
    assert "R$ 1.234,56" in brazilian and "R$ 1.500,00" in brazilian
    english = render(message, "en")
    assert "R$1,234.56" in english and "R$1,500.00" in english
    unread = Message(id="guard.over_cap.allow", params=params | {"spent": None})
    assert "desconhecido" in render(unread, "pt-BR") and "unknown" in render(unread, "en")


def test_a_sentence_that_needs_a_missing_value_has_other_words() -> None:
    known = {"cap": Money.of("300", "BRL"), "after": Money.of("320", "BRL"), "before": Money.of("10", "BRL")}
    assert "chegaria a" in render(Message(id="guard.daily_cap.refuse", params=known), "pt-BR")
    unread = render(Message(id="guard.daily_cap.refuse", params=known | {"after": None}), "pt-BR").replace("\xa0", " ")
    assert "não pôde ser lido" in unread and "R$ 300,00" in unread and "desconhecido" not in unread


def test_stored_names_are_shown_in_words() -> None:
    stop: dict[str, object] = {"scope": "platform", "target": "meta", "reason": "auditoria", "set_by": "user:ana@x.br"}
    said = render(Message(id="guard.kill_switch.refuse", params=stop), "pt-BR")
    assert "ana@x.br parou a plataforma Meta" in said and "user:" not in said
    said = render(Message(id="guard.kill_switch.refuse", params=stop | {"scope": "all", "target": ""}), "en")
    assert "ana@x.br stopped everything (" in said
    said = render(Message(id="guard.facts_readable.refuse", params={"facts": "budget_ledger, meta.list, rate.USD/BRL"}), "pt-BR")
    assert "os nossos livros de gasto, a conta em Meta, a cotação USD/BRL" in said
    long = {"place": "headline 2", "length": 41, "limit": 40, "platform": "tiktok"}
    assert "título 2 tem 41 caracteres; a plataforma (TikTok)" in render(Message(id="guard.ad_length.refuse", params=long), "pt-BR")
    by = {"by": 'user:{"id":"ana@x.br","role":"admin"}', "reason": "cedo"}
    assert render(Message(id="gate.withdrawn", params=by), "en") == "Taken back by ana@x.br: cedo"
    assert "o agente media buyer" in render(Message(id="gate.withdrawn", params=by | {"by": "agent:media_buyer"}), "pt-BR")
    odd = Message(id="gate.already_decided", params={"status": "of_another_day"})
    assert "of_another_day" in render(odd, "en")  # what has no word is shown, not hidden


def test_yen_has_no_cents_and_ratios_read_as_per_cent() -> None:
    message = Message(id="rule.daily_cap", params={"cap": {"minor": 500, "currency": "JPY"}})
    assert "500" in render(message, "en") and "5.00" not in render(message, "en")
    assert "30,5%" in render(Message(id="rule.max_increase", params={"limit": Decimal("0.305")}), "pt-BR")
    assert "30.5%" in render(Message(id="rule.max_increase", params={"limit": "0.305"}), "en")


def test_moments_are_shown_in_the_managers_zone() -> None:
    from prompts.messages import format_value

    moment = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    assert format_value(moment, "pt-BR") == "20/11/2026 22:30"
    assert format_value(moment.isoformat(), "pt-BR", "datetime") == "20/11/2026 22:30"
    assert format_value(date(2026, 11, 21), "pt-BR") == "21/11/2026"


def test_an_unknown_id_and_a_missing_parameter_are_errors() -> None:
    with pytest.raises(UnknownMessage, match="no words"):
        render(Message(id="nobody.wrote.this"))
    with pytest.raises(KeyError, match="cap"):
        render(Message(id="rule.daily_cap"))
    with pytest.raises(ValueError, match="fr"):
        render(Message(id="gate.done"), "fr")


def test_a_prompt_refuses_holes_and_strangers() -> None:
    with pytest.raises(prompts.PromptError, match="no value for about, policy"):
        prompts.load("sp_agente_v1", company="X")
    with pytest.raises(prompts.PromptError, match="no placeholder colour"):
        prompts.load("analyst", colour="red")
    with pytest.raises(prompts.PromptError, match="no such file"):
        prompts.load("nobody")
    text = prompts.load("sp_agente_v1", company="Cozinha Forte", about="", policy="    <rule>r</rule>")
    assert "Cozinha Forte" in text and "{{" not in text


def _offline_sentences() -> list[str]:
    found: list[str] = []
    for name, value in vars(sentences).items():
        if name.isupper():
            groups = value.values() if isinstance(value, dict) else [value]
            found += [s for group in groups for s in ((group,) if isinstance(group, str) else group)]
    return found


def test_the_offline_sdr_never_promises_and_asks_little() -> None:
    for sentence in _offline_sentences():
        assert not promised(sentence), sentence
        assert sentence.count("?") <= 2, sentence


def test_every_question_of_the_offline_sdr_is_recognised_as_such() -> None:
    for slot, wordings in sentences.ASK.items():
        for wording in wordings:
            assert slot in asked_in(wording.format(city="Santa Maria")), wording
    for wording in sentences.FIRST_QUESTION:
        assert {"name", "need"} <= set(asked_in(wording)), wording
    for wording in sentences.REJECTED["cnpj"]:
        assert "cnpj" in asked_in(wording.format(why="x")), wording
    assert not any(
        re.search(r"\{(?!greet|company|name|comma_name|name_comma|what|why|city|value)", s) for s in _offline_sentences()
    )


def test_a_sentence_that_came_in_both_languages_is_shown_in_the_reader_s() -> None:
    why = Message(id="why.optimizer", params={"reason": "x", "words": {"pt-BR": "Caiu 30 %.", "en": "Fell by 30%."}})
    assert (render(why, "pt-BR"), render(why, "en")) == ("Caiu 30 %.", "Fell by 30%.")
