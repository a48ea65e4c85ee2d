"""What the bot may not say: prices, discounts, deadlines and availability, in the ways Brazilians write them. And what it may."""

from __future__ import annotations

import pytest

from tools.guardrails.promises import promised

PROMISES = [
    ("price", "O forno sai por R$ 4.990,00."),
    ("price", "R$4990 e é seu"),
    ("price", "Fica *R$ 4.990* no total"),
    ("price", "Custa *4990* reais"),
    ("price", "São dois mil e quinhentos reais."),
    ("price", "sai por mil e duzentos"),
    ("price", "O preço é de 3.200"),
    ("price", "O valor é quatro mil"),
    ("price", "Valor: 3200"),
    ("price", "Faço por 900 pra você"),
    ("price", "Parcelamos em 10x de 99"),
    ("price", "Em doze vezes sem juros"),
    ("price", "Uns cem dólares"),
    ("price", "100 pila e fechamos"),
    ("price", "O total é BRL 1500"),
    ("price", "1.800 à vista"),
    ("price", "Custa\n1800"),
    ("price", "It costs 300"),
    ("price", "That is US$ 300"),
    ("price", "Quer fechar por R$ 500?"),
    ("discount", "Consigo 10% para você"),
    ("discount", "Posso dar um desconto"),
    ("discount", "Damos dez por cento"),
    ("discount", "Temos um brinde esperando"),
    ("discount", "O frete é por nossa conta"),
    ("discount", "Frete grátis hoje"),
    ("discount", "Instalação gratuita"),
    ("discount", "100% de desconto"),
    ("discount", "Metade do preço só nesta semana"),
    ("discount", "We can offer a discount"),
    ("discount", "Free shipping for you"),
    ("deadline", "Entregamos em 5 dias úteis."),
    ("deadline", "Entregamos em 48h."),
    ("deadline", "Chega amanhã."),
    ("deadline", "Amanhã mesmo chega aí."),
    ("deadline", "O prazo é de duas semanas."),
    ("deadline", "Fica pronto em dez dias"),
    ("deadline", "Em até 15 dias está com você"),
    ("deadline", "A instalação leva três dias"),
    ("deadline", "Despachamos na próxima semana"),
    ("deadline", "We deliver in 3 days"),
    ("availability", "Temos em estoque."),
    ("availability", "É pronta entrega!"),
    ("availability", "Temos 3 unidades ainda"),
    ("availability", "Restam apenas duas peças"),
    ("availability", "Está disponível agora"),
    ("availability", "It is in stock"),
]

HARMLESS = [
    "Olá! Sou a assistente virtual da Inox Brasil. Como posso ajudar?",
    "Qual é o nome da sua empresa?",
    "Quantas refeições vocês servem por dia?",
    "Entendi: 200 refeições por dia, certo?",
    "Para quando você precisa do equipamento?",
    "Você precisa que a entrega chegue em quantos dias?",
    "Precisa receber até sexta?",
    "O preço é uma informação que o nosso time passa na proposta.",
    "O valor e o prazo quem confirma é o nosso vendedor.",
    "Sobre preços e descontos, um vendedor vai falar com você.",
    "A sua cozinha fica em um shopping?",
    "O forno é 100% em aço inox.",
    "O forno tem 10 bandejas e trabalha de 30 a 300 graus.",
    "Consome 9 kW em 220 V.",
    "Anotei: 2 fornos e 1 fritadeira.",
    "Seu CNPJ é 11.222.333/0001-81?",
    "Em qual cidade e UF fica a empresa?",
    "Pode me dizer se é urgente?",
    "Obrigado! Vou passar tudo para o nosso time comercial.",
    "Temos fornos combinados, fritadeiras e câmaras frias.",
    "Vocês já têm um fornecedor?",
    "Temos três linhas de fornos: qual combina com a sua produção?",
    "A capacidade é de 50 kg por hora.",
    "Segunda a sexta, das 8h às 18h, o time responde por aqui.",
    "What is your company called?",
    "The oven has 10 trays.",
]


@pytest.mark.parametrize(("kind", "text"), PROMISES)
def test_a_promise_is_found_and_named(kind: str, text: str) -> None:
    assert kind in [found for found, _ in promised(text)]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_sentence_passes(text: str) -> None:
    assert promised(text) == []


@pytest.mark.parametrize("mark", ["*", "_", "~", "`", "\u200b"])
def test_formatting_does_not_hide_an_amount(mark: str) -> None:
    assert promised(f"Custa {mark}4990{mark} reais")


def test_one_promise_among_harmless_sentences_is_enough() -> None:
    text = " ".join(HARMLESS[:5]) + " Entregamos em 5 dias. " + " ".join(HARMLESS[5:10])
    assert [kind for kind, _ in promised(text)] == ["deadline"]


@pytest.mark.parametrize(
    "text",
    ["a" * 4096, "1 " * 2048, "mil e " * 680, "entrega " * 500, "R " * 2000, "." * 4096, "um " * 1365, "1" * 4096, "1." * 2048],
)
def test_the_longest_text_is_judged_quickly(text: str) -> None:
    """No pattern may run away on a hostile text: the gate holds a transaction while it judges."""
    from time import process_time

    began = process_time()
    promised(text)
    assert process_time() - began < 1.0
