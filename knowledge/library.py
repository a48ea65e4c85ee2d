"""Catalogue texts -> passages -> Chroma, and hybrid search in Portuguese. The only file that knows chromadb.

Vectors are hashed words and character trigrams of the folded text: deterministic, no download, tolerant of accents, plurals and
typing errors. A better embedder can be handed in. The order by vector and the order by rare words (idf overlap) are joined, and a
passage that shares no content word with the question is not an answer.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict

from knowledge.domain.campaign import Product
from knowledge.domain.money import Money

CATALOGUE = Path(__file__).parent / "catalogue"
DIMENSIONS = 512
Embed = Callable[[Sequence[str]], list[list[float]]]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STOP = _words(
    """
    a o as os um uma uns umas de da do das dos em no na nos nas e ou que qual quais como quando onde quanto para pra por
    com sem se ele ela eles elas voce voces tem ter ha eh sao ser esta estao este esse isso meu minha seu sua nosso
    nossa ao aos ate mais menos ja oi ola bom dia boa tarde noite preciso quero saber gostaria funciona favor faz fazem
    """
)


class Passage(BaseModel):
    """One section of a document. `source` is the document's name, `score` 0-1."""

    model_config = ConfigDict(frozen=True)

    text: str
    title: str
    source: str
    score: float


class Document(BaseModel):
    """A text to be learned: Markdown whose first heading is its title. `name` is its id."""

    model_config = ConfigDict(frozen=True)

    name: str
    markdown: str


def fold(text: str) -> str:
    """Lower case, no accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


def terms(text: str) -> list[str]:
    """Content words, cut to their stem by dropping plural and gender endings."""
    return [_stem(w) for w in re.findall(r"[a-z0-9]+", fold(text)) if w not in _STOP and (len(w) > 1 or w.isdigit())]


def _stem(word: str) -> str:
    for ending, instead in (
        ("coes", "cao"),
        ("oes", "ao"),
        ("aes", "ao"),
        ("eis", "el"),
        ("ais", "al"),
        ("ns", "m"),
        ("res", "r"),
        ("s", ""),
    ):
        if len(word) > 4 and word.endswith(ending):
            word = word.removesuffix(ending) + instead
            break
    word = word[:-1] if len(word) > 4 and word[-1] in "aoe" else word
    return word[:6]  # "entregam", "entrega", "entregamos" meet; six letters still part most words of the trade


_SYNONYMS: dict[str, tuple[str, ...]] = {
    "voltag": ("alimen", "eletri"),
    "tensao": ("alimen", "eletri"),
    "trifas": ("alimen",),
    "110": ("127", "alimen"),
    "220v": ("220",),
    "tamanh": ("medida", "tamanh"),
    "dimens": ("medida",),
    "largur": ("medida",),
    "altur": ("medida",),
    "cartao": ("pagame",),
    "boleto": ("pagame",),
    "pix": ("pagame",),
    "parcel": ("pagame",),
    "consert": ("assist",),
    "manute": ("assist",),
    "autono": ("fisic",),
}
"""What leads say, and the words our documents use for it."""


def asked(query: str) -> set[str]:
    """Stems of a question, with the documents' own words added."""
    found = set(terms(query))
    return found | {word for term in found for word in _SYNONYMS.get(term, ())}


def hash_embed(texts: Sequence[str]) -> list[list[float]]:
    """Unit vectors of hashed stems (weight 2) and trigrams (weight 1)."""
    vectors: list[list[float]] = []
    for text in texts:
        vector = [0.0] * DIMENSIONS
        for term in terms(text):
            padded = f" {term} "
            for feature, weight in [(term, 2.0), *((padded[i : i + 3], 0.5) for i in range(len(padded) - 2))]:
                digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
                vector[int.from_bytes(digest[:4]) % DIMENSIONS] += weight if digest[4] & 1 else -weight
        norm = math.sqrt(sum(x * x for x in vector)) or 1.0
        vectors.append([x / norm for x in vector])
    return vectors


def sections(document: Document) -> list[tuple[str, str]]:
    """(heading path, text) of each section of a Markdown document; the title leads every path."""
    lines = document.markdown.splitlines()
    title = next((line.removeprefix("# ").strip() for line in lines if line.startswith("# ")), document.name)
    found: list[tuple[str, list[str]]] = [(title, [])]
    for line in lines:
        if line.startswith("## "):
            found.append((f"{title}: {line.removeprefix('## ').strip()}", []))
        elif not line.startswith("# "):
            found[-1][1].append(line)
    return [(heading, "\n".join(body).strip()) for heading, body in found if "\n".join(body).strip()]


class Library:
    """Passages in one Chroma collection. `path` None keeps it in memory; otherwise it lives in that folder."""

    def __init__(self, path: Path | None = None, *, name: str = "catalogue", embed: Embed = hash_embed) -> None:
        import chromadb
        from chromadb.config import Settings

        settings = Settings(anonymized_telemetry=False)
        client = chromadb.EphemeralClient(settings) if path is None else chromadb.PersistentClient(str(path), settings)
        self._embed = embed
        self._collection: Any = client.get_or_create_collection(name, metadata={"hnsw:space": "cosine"}, embedding_function=None)

    async def learn(self, documents: Sequence[Document]) -> int:
        """Stores the documents, replacing what was known of each; returns the number of passages. Vanished sections go."""
        import asyncio

        return await asyncio.to_thread(self._learn, documents)

    def _learn(self, documents: Sequence[Document]) -> int:
        count = 0
        for document in documents:
            parts = sections(document)
            ids = [f"{document.name}#{hashlib.blake2b(f'{h}{t}'.encode(), digest_size=8).hexdigest()}" for h, t in parts]
            known = cast(list[str], self._collection.get(where={"source": document.name}, include=[])["ids"])
            if gone := sorted(set(known) - set(ids)):
                self._collection.delete(ids=gone)
            if parts:
                self._collection.upsert(
                    ids=ids,
                    documents=[text for _, text in parts],
                    metadatas=[{"source": document.name, "title": heading} for heading, _ in parts],
                    embeddings=self._embed([f"{heading}\n{text}" for heading, text in parts]),
                )
            count += len(parts)
        return count

    async def forget(self, name: str) -> None:
        """Removes a document."""
        import asyncio

        await asyncio.to_thread(self._collection.delete, where={"source": name})

    async def search(self, query: str, limit: int = 3) -> list[Passage]:
        """Passages about the question, best first; empty when nothing shares a content word with it."""
        import asyncio

        return await asyncio.to_thread(self._search, query, limit)

    def _search(self, query: str, limit: int) -> list[Passage]:
        wanted = asked(query)
        size = int(self._collection.count())
        if not wanted or not size:
            return []
        # A catalogue is small (hundreds of passages): all of them are ranked, so that neither half of the search can hide an answer
        raw = self._collection.query(
            query_embeddings=self._embed([query]), n_results=size, include=["documents", "metadatas", "distances"]
        )
        rows: list[tuple[str, dict[str, Any], float]] = list(
            zip(raw["documents"][0], raw["metadatas"][0], (1.0 - float(d) for d in raw["distances"][0]), strict=True)
        )
        held = [set(terms(f"{meta['title']} {text}")) for text, meta, _ in rows]
        seen = Counter(term for words in held for term in words)
        weight = {term: math.log(1 + size / (1 + seen[term])) for term in wanted}
        total = sum(weight.values())
        passages: list[Passage] = []
        for (text, meta, cosine), words in zip(rows, held, strict=True):
            overlap = sum(weight[term] for term in wanted & words) / total
            if overlap > 0:
                score = min(1.0, 0.65 * overlap + 0.35 * max(cosine, 0.0))
                passages.append(Passage(text=text, title=str(meta["title"]), source=str(meta["source"]), score=round(score, 4)))
        passages.sort(key=lambda p: (-p.score, p.source, p.title))
        best = passages[0].score if passages else 0.0
        return [p for p in passages[:limit] if p.score >= best * 0.5]


def catalogue_documents(folder: Path = CATALOGUE) -> list[Document]:
    """The Markdown files of a catalogue folder, by name."""
    return [Document(name=p.stem, markdown=p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.md"))]


def shop_products(file: Path = CATALOGUE / "products.yaml", currency: str = "BRL") -> list[Product]:
    """The sellable products of a YAML list. Raises ValueError naming the entry that is not a product."""
    import yaml

    raw: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(raw, list):
        raise ValueError(f"{file.name}: expected a list of products")
    products: list[Product] = []
    for entry in cast(list[Any], raw):
        try:
            fields = dict(cast(dict[str, Any], entry))
            price = Money.of(str(fields.pop("price")), currency)
            margin = Decimal(str(fields.pop("margin")))
            products.append(
                Product.model_validate({**fields, "price": price, "margin": margin, "keywords": tuple(fields.get("keywords", ()))})
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(f"{file.name}: {str(entry)[:60]}: {error}") from error
    return products
