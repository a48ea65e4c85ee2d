"""Products (candidates, approved, rejected) and their creatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import RowMapping

from knowledge.domain.action import Creative, Platform
from knowledge.domain.campaign import Product
from knowledge.domain.money import Money
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json

ProductStatus = Literal["candidate", "approved", "rejected"]
CreativeStatus = Literal["draft", "approved", "rejected", "active", "failed", "retired"]


@dataclass(frozen=True)
class ProductRecord:
    """A product with what the house thinks of it. `score` is None until it was qualified."""

    product: Product
    status: ProductStatus
    created_at: datetime
    updated_at: datetime
    score: Decimal | None = None
    supplier: str | None = None
    supplier_ref: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict[str, Any])
    policy_findings: list[Any] = field(default_factory=list[Any])
    workspace: str = DEFAULT_WORKSPACE


@dataclass(frozen=True)
class CreativeRecord:
    """A creative of a product for one platform."""

    creative: Creative
    product_id: str
    platform: Platform
    status: CreativeStatus
    created_at: datetime
    updated_at: datetime
    policy_findings: list[Any] = field(default_factory=list[Any])


class Products(Repository):
    """Table products."""

    async def add(self, record: ProductRecord) -> bool:
        """Stores a product once; False when its id or its supplier reference is already known."""
        p = record.product
        return await self.once(
            """insert into products (id, workspace, name, description, price_minor, currency, margin, landing_url, image_url,
                 in_stock, keywords, status, score, supplier, supplier_ref, evidence, policy_findings, created_at, updated_at)
               values (:id, :workspace, :name, :description, :price, :currency, :margin, :landing, :image,
                 :stock, cast(:keywords as text[]), :status, :score, :supplier, :ref, :evidence, :findings, :created, :updated)
               on conflict do nothing""",
            id=p.id, workspace=record.workspace, name=p.name, description=p.description, price=p.price.minor,
            currency=p.price.currency, margin=p.margin, landing=p.landing_url, image=p.image_url, stock=p.in_stock,
            keywords=list(p.keywords), status=record.status, score=record.score, supplier=record.supplier,
            ref=record.supplier_ref, evidence=as_json(record.evidence), findings=as_json(record.policy_findings),
            created=record.created_at, updated=record.updated_at,
        )  # fmt: skip

    async def get(self, product_id: str) -> ProductRecord | None:
        row = await self.one("select * from products where id = :id", id=product_id)
        return None if row is None else _product(row)

    async def list(
        self, *, status: ProductStatus | None = None, workspace: str = DEFAULT_WORKSPACE, limit: int = 200
    ) -> list[ProductRecord]:
        """Best score first, the unscored last."""
        rows = await self.all(
            """select * from products where workspace = :workspace and (cast(:status as text) is null or status = :status)
               order by score desc nulls last, created_at, id limit :limit""",
            workspace=workspace, status=status, limit=limit,
        )  # fmt: skip
        return [_product(row) for row in rows]

    async def judge(
        self, product_id: str, status: ProductStatus, *, score: Decimal | None, findings: Sequence[Any], at: datetime
    ) -> bool:
        """Writes the result of qualification; False when there is no such product."""
        return await self.once(
            "update products set status = :status, score = :score, policy_findings = :findings, updated_at = :at where id = :id",
            id=product_id, status=status, score=score, findings=as_json(list(findings)), at=at,
        )  # fmt: skip

    async def set_stock(self, product_id: str, in_stock: bool, at: datetime) -> bool:
        """True only when this changed something."""
        return await self.once(
            "update products set in_stock = :stock, updated_at = :at where id = :id and in_stock <> :stock",
            id=product_id, stock=in_stock, at=at,
        )  # fmt: skip


class Creatives(Repository):
    """Table creatives."""

    async def put(
        self,
        creative: Creative,
        *,
        product_id: str,
        platform: Platform,
        at: datetime,
        status: CreativeStatus = "draft",
        findings: Sequence[Any] = (),
    ) -> bool:
        """Stores a creative once; False, and nothing changed, when its id is already known."""
        return await self.once(
            """insert into creatives (id, product_id, platform, headline, body, cta, image_url, video_id, status,
                 policy_findings, created_at, updated_at)
               values (:id, :product, :platform, :headline, :body, :cta, :image, :video, :status, :findings, :at, :at)
               on conflict (id) do nothing""",
            id=creative.id, product=product_id, platform=platform, headline=creative.headline, body=creative.text,
            cta=creative.cta, image=creative.image_url, video=creative.video_id, status=status,
            findings=as_json(list(findings)), at=at,
        )  # fmt: skip

    async def get(self, creative_id: str) -> CreativeRecord | None:
        row = await self.one("select * from creatives where id = :id", id=creative_id)
        return None if row is None else _creative(row)

    async def list(
        self,
        *,
        product_id: str | None = None,
        platform: Platform | None = None,
        status: CreativeStatus | None = None,
        limit: int = 200,
    ) -> list[CreativeRecord]:
        """Oldest first."""
        rows = await self.all(
            """select * from creatives
               where (cast(:product as text) is null or product_id = :product)
                 and (cast(:platform as text) is null or platform = :platform)
                 and (cast(:status as text) is null or status = :status)
               order by created_at, id limit :limit""",
            product=product_id, platform=platform, status=status, limit=limit,
        )  # fmt: skip
        return [_creative(row) for row in rows]

    async def set_status(
        self, creative_id: str, status: CreativeStatus, at: datetime, findings: Sequence[Any] | None = None
    ) -> bool:
        """False when there is no such creative. `findings` None leaves the earlier ones."""
        return await self.once(
            """update creatives set status = :status, updated_at = :at,
                 policy_findings = coalesce(cast(:findings as jsonb), policy_findings) where id = :id""",
            id=creative_id, status=status, at=at, findings=None if findings is None else as_json(list(findings)),
        )  # fmt: skip


def _product(row: RowMapping) -> ProductRecord:
    product = Product(
        id=row["id"], name=row["name"], description=row["description"],
        price=Money(minor=row["price_minor"], currency=row["currency"]), margin=row["margin"],
        landing_url=row["landing_url"], in_stock=row["in_stock"], image_url=row["image_url"], keywords=tuple(row["keywords"]),
    )  # fmt: skip
    return ProductRecord(
        product, row["status"], row["created_at"], row["updated_at"], row["score"], row["supplier"], row["supplier_ref"],
        row["evidence"], row["policy_findings"], row["workspace"],
    )  # fmt: skip


def _creative(row: RowMapping) -> CreativeRecord:
    creative = Creative(
        id=row["id"], headline=row["headline"], text=row["body"], cta=row["cta"], image_url=row["image_url"],
        video_id=row["video_id"],
    )  # fmt: skip
    return CreativeRecord(
        creative, row["product_id"], row["platform"], row["status"], row["created_at"], row["updated_at"], row["policy_findings"]
    )
