"""What ads may say and sell. Every family has texts that must fall and texts of honest shops that must pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from law_support import AGENT, USER, facts, finding_of, policy, publish, says

from knowledge.domain.action import Platform
from knowledge.domain.campaign import AD_LENGTHS
from knowledge.domain.facts import Listed
from tools.guardrails import judge
from tools.guardrails.ad_policy import fault
from tools.guardrails.banned_product import banned
from tools.guardrails.special_category import SIGNS
from tools.guardrails.trademark import named
from tools.guardrails.words import normal

CATALOGUE = Path(__file__).resolve().parents[2] / "knowledge" / "catalogue"
NEW = facts(AGENT, campaign=None)

FORBIDDEN = [
    ("health", "Cura diabetes em poucas semanas"),
    ("health", "Este chá combate a ansiedade"),
    ("health", "Perca 10 kg em um mês"),
    ("health", "Emagreça rápido, sem esforço"),
    ("health", "Creme milagroso para a pele"),
    ("health", "Clinicamente comprovado"),
    ("health", "Lose 20 pounds fast"),
    ("health", "Relieves chronic pain overnight"),
    ("health", "C u r a câncer"),
    ("money", "Ganhe R$ 5.000 por mês sem sair de casa"),
    ("money", "Renda extra garantida"),
    ("money", "Fique rico com este método"),
    ("money", "Lucro garantido todo dia"),
    ("money", "Dobre seu dinheiro"),
    ("money", "Earn $500 a day"),
    ("money", "Ganhe até 5 mil reais por mês"),
    ("money", "A risk-free investment"),
    ("personal", "Você está acima do peso?"),
    ("personal", "Voce é gorda demais para este vestido"),
    ("personal", "Cansado de ser careca?"),
    ("personal", "Está endividado? Nós ajudamos"),
    ("personal", "Você sofre de depressão e não sabe"),
    ("personal", "Are you overweight?"),
    ("personal", "Tired of being single?"),
    ("personal", "Do you have diabetes?"),
    ("personal", "Meet other Christians near you"),
    ("before_after", "Veja o antes e depois das nossas clientes"),
    ("before_after", "Antes x depois"),
    ("before_after", "Amazing before and after pictures"),
    ("guarantee", "Resultado garantido ou seu dinheiro de volta"),
    ("guarantee", "100% eficaz"),
    ("guarantee", "Guaranteed results"),
    ("superlative", "O melhor forno do Brasil"),
    ("superlative", "Nº 1 em vendas"),
    ("superlative", "A maior loja do mundo"),
    ("superlative", "The best knife in the world"),
    ("superlative", "Qualidade imbatível"),
    ("superlative", "𝐎 𝐦𝐞𝐥𝐡𝐨𝐫 𝐟𝐨𝐫𝐧𝐨 𝐝𝐨 𝐁𝐫𝐚𝐬𝐢𝐥"),
    ("superlative", "O *melhor* forno do Bra\u200bsil"),
    ("health", "P\u0435rca 10 kg em um m\u00eas"),
    ("capitals", "COMPRE AGORA MESMO o seu forno"),
    ("capitals", "FORNO COM DESCONTO"),
    ("punctuation", "Compre agora!!"),
    ("punctuation", "Por que esperar?!"),
    ("punctuation", "Preço $$$ baixo"),
]

CLEAN = [
    "Garrafa térmica de inox com parede dupla",
    "Mantém a bebida quente por horas",
    "Faca do chef de aço inox com lâmina forjada de 20 cm",
    "Lave antes e depois do uso com detergente neutro",
    "Clean before and after each use",
    "Garantia de 12 meses contra defeitos de fabricação",
    "Fritadeira de 10 L: troque o óleo sem dor de cabeça na limpeza",
    "Balcão refrigerado para a sua padaria. Peça um orçamento!",
    "Você tem uma cozinha pequena? Esta bancada cabe.",
    "Parcele no cartão de crédito em até 10 vezes",
    "Queijo curado combina com esta tábua de inox",
    "Lâmpada LED USB com haste ABS",
    "Luminária LED de mesa. Três tons de luz.",
    "O forno mais vendido da nossa loja",
    "Trate bem a sua faca: afie com pedra",
    "Ganhe tempo no preparo do pão",
    "Ganhe 20 minutos por dia na cozinha industrial",
    "Assa 80 pães por hora",
    "Sua cozinha organizada em um fim de semana",
    "Aço inox AISI 304, medidas 700 x 1900 mm",
    "Melhor custo por refeição servida",
    "Tapete de ioga com 6 mm e dupla face",
    "A steel bench that lasts. Free of sharp edges.",
    "Você está montando um restaurante?",
    "Evita respingos no fogão",
    "Elimina odores da cozinha",
    "Reduz o peso da louça no braço do cozinheiro",
    "Água a 100% da capacidade da cuba",
    "Atendemos Brasil inteiro, peça pelo site",
]


@pytest.mark.parametrize(("kind", "text"), FORBIDDEN)
def test_what_a_text_may_not_say(kind: str, text: str) -> None:
    found = fault(text)
    assert found is not None and found[0] == kind, f"{text!r}: {found}"
    assert says("ad_policy", publish(text=text), NEW) == "refuse"
    assert says("ad_policy", publish(text=text), facts(USER, campaign=None)) == "refuse", "nor may a person"


@pytest.mark.parametrize("text", CLEAN)
def test_honest_texts_pass(text: str) -> None:
    assert fault(text) is None
    new = publish(text=text, name="Bancada de inox")
    assert [f.rule for f in judge(new, NEW, policy(new_campaign_asks=False, autonomy={"publication": "auto"})).reasons] == []


def catalogue_texts() -> list[str]:
    """Every name and description of the products, and every paragraph of the catalogue's pages."""
    texts = [t for p in yaml.safe_load((CATALOGUE / "products.yaml").read_text("utf-8")) for t in (p["name"], p["description"])]
    for page in sorted(CATALOGUE.glob("*.md")):
        texts += [line.strip("#|- ") for line in page.read_text("utf-8").splitlines() if line.strip("#|- ")]
    return texts


def test_the_whole_catalogue_passes() -> None:
    """False alarms would stop the shop: nothing of the real product texts may be taken for a claim, a banned good or a brand."""
    texts = catalogue_texts()
    assert len(texts) > 100
    for text in texts:
        found = fault(text)
        assert found is None or (found[0] == "capitals" and "|" in text), (text, found)
        assert banned(normal(text)) is None, text
        assert named(normal(text)) is None, text
        assert SIGNS.first(normal(text)) is None, text


BANNED = [
    "Pistola 9 mm", "Soco inglês de aço", "Spray de pimenta", "Fogos de artifício para festa", "Cigarro eletrônico 3000 puffs",
    "Pod descartável de menta", "Óleo de CBD", "Ozempic sem receita", "Emagrecedor natural", "Vibrador à prova d'água",
    "Relógio réplica premium", "Tênis falsificado", "Jogo do tigrinho: jogue já", "Apostas esportivas com bônus", "CNH sem prova",
    "Compre seguidores reais", "Escultura de marfim", "Câmera espiã para quarto", "Lista IPTV completa", "Robô de trade automático",
    "Brass knuckles", "Vape kit", "Diet pills", "Fake diplomas", "Casino bonus",
]  # fmt: skip
NOT_BANNED = [
    "Pistola de cola quente", "Pistola de pintura", "Pistola massageadora", "Vibrador de concreto", "Faca do Chef Lavra 8\"",
    "Faqueiro de inox", "Cortador de charcutaria", "Isqueiro de cozinha", "Réplica de dinossauro para crianças",
    "Roleta corta-pizza", "Maçarico culinário", "Espeto giratório", "Moedor de carne", "Balança de precisão", "Câmara fria",
    "Produtos de primeira linha", "Armário de cozinha", "Pote para temperos", "Cápsula de café", "Porta-bebidas",
]  # fmt: skip


@pytest.mark.parametrize("name", BANNED)
def test_banned_goods(name: str) -> None:
    assert says("banned_product", publish(name=name), NEW) == "refuse"
    assert says("banned_product", publish(text=f"Chegou: {name.lower()}"), NEW) == "refuse"


@pytest.mark.parametrize("name", NOT_BANNED)
def test_goods_that_only_sound_banned(name: str) -> None:
    assert says("banned_product", publish(name=name, text=name), NEW) == "allow"


def test_the_operators_own_banned_words() -> None:
    law = policy(compliance={"banned_terms": ("Gelo Seco",)})
    assert says("banned_product", publish(text="Vendemos gêlo   seco"), NEW, law) == "refuse"
    assert says("banned_product", publish(text="Gelo secos não"), NEW, law) == "allow", "a word on its own"
    assert says("banned_product", publish(text="Vendemos gelo seco"), NEW) == "allow"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Capa para iPhone", "ask"),
        ("Garrafa Stanley original", "ask"),
        ("Boneca da Peppa Pig", "ask"),
        ("Relógio tipo Rolex", "refuse"),
        ("Tênis inspirado no novo Nike", "refuse"),
        ("Perfume similar ao Chanel", "refuse"),
        ("A dupe like no other: just like Dyson", "refuse"),
        ("Uma puma na estampa", "allow"),
        ("Nikelado e polido", "allow"),
        ("Maçã vermelha", "allow"),
    ],
)
def test_trademark(text: str, answer: str) -> None:
    assert says("trademark", publish(text=text), NEW) == answer


def test_a_licensed_brand_is_free() -> None:
    law = policy(compliance={"licensed_brands": ("Tramontina", "iPhone")})
    assert says("trademark", publish(text="Panela Tramontina"), NEW) == "ask"
    assert says("trademark", publish(text="Panela Tramontina"), NEW, law) == "allow"
    assert says("trademark", publish(text="Panela Tramontina e copo Disney"), NEW, law) == "ask"


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("Apartamento à venda com 2 quartos", "HOUSING"),
        ("Houses for rent downtown", "HOUSING"),
        ("Estamos contratando cozinheiros", "EMPLOYMENT"),
        ("We are hiring now", "EMPLOYMENT"),
        ("Empréstimo pessoal na hora", "CREDIT"),
        ("Limpe seu nome hoje", "CREDIT"),
        ("Vote em quem defende a cidade", "ISSUES_ELECTIONS_POLITICS"),
        ("Stop climate change", "ISSUES_ELECTIONS_POLITICS"),
    ],
)
def test_special_category(text: str, category: str) -> None:
    found = finding_of(judge(publish(text=text), NEW, policy()), "special_category")
    assert (found.answer, found.numbers["category"]) == ("ask", category)
    assert says("special_category", publish(text=text, special_ad_categories=(category,)), NEW) == "allow"
    assert says("special_category", publish(text=text, special_ad_categories=("NONE",)), NEW) == "ask"


@pytest.mark.parametrize(
    ("ages", "answer"),
    [({}, "allow"), ({"age_min": 19}, "refuse"), ({"age_max": 64}, "refuse"), ({"age_min": 25, "age_max": 45}, "refuse")],
)
def test_a_special_category_is_never_aimed_by_age(ages: dict[str, int], answer: str) -> None:
    assert says("special_category", publish(special_ad_categories=("HOUSING",), **ages), NEW) == answer
    assert says("special_category", publish(**ages), NEW) == "allow"


def test_a_category_that_does_not_exist_is_refused() -> None:
    assert says("special_category", publish(special_ad_categories=("HOUSES",)), NEW) == "refuse"


def test_ordinary_furniture_is_no_housing() -> None:
    for text in ("Móveis de inox para casa", "Alugue por dia a máquina", "Partido o milho, peneire", "Cartão de crédito aceito"):
        assert says("special_category", publish(text=text), NEW) == "allow", text


@pytest.mark.parametrize("platform", ["meta", "tiktok", "google", "linkedin"])
def test_ad_length(platform: Platform) -> None:
    most = AD_LENGTHS[platform]
    for headline, text, answer in (
        ("h" * most.headline, "t" * most.text, "allow"),
        ("h" * (most.headline + 1), "t", "refuse"),
        ("h", "t" * (most.text + 1), "refuse"),
    ):
        assert says("ad_length", publish(platform=platform, headline=headline, text=text), NEW) == answer


@pytest.mark.parametrize("platform", ["meta", "tiktok", "google", "linkedin"])
def test_an_operator_may_want_shorter_ads_but_never_longer_ones(platform: Platform) -> None:
    most = AD_LENGTHS[platform]
    short = policy(compliance={"max_headline": {platform: 12}, "max_text": {platform: 50}})
    for headline, text, answer in (("h" * 12, "t" * 50, "allow"), ("h" * 13, "t", "refuse"), ("h", "t" * 51, "refuse")):
        assert says("ad_length", publish(platform=platform, headline=headline, text=text), NEW, short) == answer
    wide = policy(compliance={"max_headline": {platform: 500}, "max_text": {platform: 2000}})
    assert wide.ad_length(platform) == most
    assert says("ad_length", publish(platform=platform, headline="h" * (most.headline + 1)), NEW, wide) == "refuse"


PROVED = ("before_after", "guarantee", "superlative", "capitals", "punctuation")
TEXTS = {
    "before_after": "Veja o antes e depois",
    "guarantee": "Resultado garantido",
    "superlative": "O melhor forno do Brasil",
    "capitals": "FORNO PARA PADARIA hoje",
    "punctuation": "Chegou!!",
}


@pytest.mark.parametrize("claim", PROVED)
def test_a_claim_that_can_be_proved_is_asked_about_where_the_operator_says_so(claim: str) -> None:
    asked = policy(compliance={"claims_asked": (claim,)})
    assert says("ad_policy", publish(text=TEXTS[claim]), NEW) == "refuse", "not unless told"
    for other, text in TEXTS.items():
        assert says("ad_policy", publish(text=text), NEW, asked) == ("ask" if other == claim else "refuse"), other
    assert says("ad_policy", publish(text="Assa bem"), NEW, asked) == "allow"


@pytest.mark.parametrize("text", ["Cura diabetes", "Ganhe R$ 5.000 por mês", "Você está acima do peso?"])
def test_what_nobody_may_claim_is_not_hidden_by_what_may_be_asked_about(text: str) -> None:
    everything = policy(compliance={"claims_asked": PROVED})
    assert says("ad_policy", publish(text=f"O melhor do Brasil!! {text}"), NEW, everything) == "refuse"
    assert says("ad_policy", publish(headline="O MELHOR DO BRASIL", text=text), NEW, everything) == "refuse"


@pytest.mark.parametrize("claim", ["health", "money", "personal", "nonsense"])
def test_no_operator_puts_health_money_or_the_reader_into_a_managers_hand(claim: str) -> None:
    with pytest.raises(ValueError, match="claims_asked"):
        policy(compliance={"claims_asked": (claim,)})


def test_an_operator_may_refuse_what_is_not_declared() -> None:
    strict = policy(compliance={"undeclared_category": "refuse"})
    found = finding_of(judge(publish(text="Casa para alugar"), NEW, strict), "special_category")
    assert (found.answer, found.message.id, found.numbers["category"]) == ("refuse", "guard.special_category.undeclared", "HOUSING")
    assert says("special_category", publish(text="Casa para alugar", special_ad_categories=("HOUSING",)), NEW, strict) == "allow"
    assert says("special_category", publish(text="Móveis de inox"), NEW, strict) == "allow"


@pytest.mark.parametrize("kind", ["product", "creative", "term", "brand"])
def test_an_operator_may_have_a_kind_of_entry_asked_about(kind: str) -> None:
    entries = (listed("product", "p1"), listed("creative", "k1"), listed("term", "assa bem"), listed("brand", "forno"))
    law = policy(compliance={"blacklist_asked": (kind,)})
    for entry in entries:
        told = facts(AGENT, campaign=None, blacklist=(entry,))
        assert says("learned_blacklist", publish(), told, law) == ("ask" if entry.kind == kind else "refuse")
    told = facts(AGENT, campaign=None, blacklist=entries)
    assert says("learned_blacklist", publish(), told, law) == "refuse", "one that refuses is not hidden by one that asks"


def listed(kind: str, value: str) -> Listed:
    return Listed.model_validate({"kind": kind, "value": value, "reason": "ROAS de 0,2 em março", "added_by": "user:ana@x.br"})


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        ("product", "p1", "refuse"),
        ("product", "P1", "refuse"),
        ("product", "p10", "allow"),
        ("creative", "k1", "refuse"),
        ("creative", "k2", "allow"),
        ("term", "assa bem", "refuse"),
        ("term", "ssa", "allow"),
        ("brand", "forno", "refuse"),
    ],
)
def test_learned_blacklist(kind: str, value: str, answer: str) -> None:
    told = facts(AGENT, campaign=None, blacklist=(listed(kind, value),))
    assert says("learned_blacklist", publish(), told) == answer
    if answer == "refuse":
        params = finding_of(judge(publish(), told, policy()), "learned_blacklist").message.params
        assert (params["reason"], params["by"]) == ("ROAS de 0,2 em março", "ana@x.br")


@given(st.text(max_size=300))
def test_no_text_makes_a_compliance_rule_fail(text: str) -> None:
    """Whatever is written, the rules answer; and marks that cannot be seen change nothing."""
    shown = text.strip() or "x"
    verdict = judge(publish(text=shown, name="Forno"), NEW, policy())
    assert "rule_failed" not in {f.rule for f in verdict.findings}
    assert normal("\u200b".join("cura diabetes")) == "cura diabetes"
    assert normal(normal(shown)) == normal(shown)
