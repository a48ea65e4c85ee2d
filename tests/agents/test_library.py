"""The library: finding Portuguese answers, replacing what was learned, and saying nothing when nothing is known."""

from pathlib import Path

import pytest

from knowledge.library import CATALOGUE, Document, Library, catalogue_documents, shop_products


@pytest.mark.parametrize(
    ("question", "source", "words"),
    [
        ("qual a voltagem do forno combinado?", "forno-combinado", "trifásico"),
        ("qual a garantia da fritadeira?", "fritadeira", "6 meses"),
        ("voces entregam em manaus?", "entrega", ""),
        ("tem câmara fria sob medida?", "camara-fria", "sob medida"),
        ("FAZEM PROJETO DE COZINHA?", "faq", "visita técnica"),
        ("medidas dos balcoes refrigerados", "balcao-refrigerado", "1900 mm"),
        ("pode parcelar no cartão?", "faq", "pagamento"),
    ],
)
async def test_questions_find_their_passage(question: str, source: str, words: str) -> None:
    library = Library(name="questions")
    await library.learn(catalogue_documents())
    found = await library.search(question)
    assert found[0].source == source
    assert words in found[0].text
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)


async def test_what_is_not_known_is_not_answered() -> None:
    library = Library(name="nothing")
    await library.learn(catalogue_documents())
    assert await library.search("qual a cor do cavalo branco") == []
    assert await library.search("o que é") == []
    assert await Library(name="empty").search("forno") == []


async def test_learning_again_replaces_and_survives_a_restart(tmp_path: Path) -> None:
    first = Library(tmp_path, name="again")
    await first.learn([Document(name="d", markdown="# Forno\n\nTexto antigo.\n\n## Medidas\n\nLargura de 90 cm.")])
    assert await first.learn([Document(name="d", markdown="# Forno\n\nTexto novo.")]) == 1
    again = Library(tmp_path, name="again")
    assert [p.text for p in await again.search("forno", 5)] == ["Texto novo."]
    assert await again.search("largura") == []
    await again.forget("d")
    assert await again.search("forno") == []


def test_no_document_states_a_price_outside_the_official_table() -> None:
    for document in catalogue_documents():
        assert ("R$" in document.markdown) == (document.name == "tabela-acessorios"), document.name


def test_shop_products_are_whole() -> None:
    products = shop_products()
    assert len(products) == 8 and len({p.id for p in products}) == 8
    assert all(0 < p.margin < 1 and p.price.minor > 0 and p.landing_url.startswith("https://") and p.keywords for p in products)


@pytest.mark.parametrize(
    "text", ["{}", "- id: x", "- id: x\n  name: X\n  description: d\n  price: abc\n  margin: '0.4'\n  landing_url: u"]
)
def test_a_broken_product_list_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "products.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"products\.yaml"):
        shop_products(file)
    assert (CATALOGUE / "products.yaml").is_file()
