"""One errand, one transaction: everything an errand writes is committed at its edge, or nothing is.

    async with database.transaction() as tx:
        lead = await tx.leads.resolve(event.identities, at=clock.now())
        tx.live_events.publish("lead.new", {"lead_id": lead.id}, at=clock.now())

Keep vendors and models out of a transaction: it holds locks and one of the pool's connections for as long as it lasts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from runtime.db.accounts import Chat, Sessions, Users
from runtime.db.analytics import Analytics, Orders
from runtime.db.campaigns import Campaigns
from runtime.db.chat_offers import ChatOffers
from runtime.db.conversations import Conversations
from runtime.db.erasure import Erasures
from runtime.db.grants import Grants
from runtime.db.leads import Leads
from runtime.db.messages import Messages
from runtime.db.operations import Alerts, LiveEvents, ScheduleTicks
from runtime.db.outcomes import Outcomes
from runtime.db.privacy import Consents, Suppressions
from runtime.db.products import Creatives, Products
from runtime.db.records import Blacklist, Decisions, ExchangeRates, Reports
from runtime.db.repository import Repository
from runtime.db.sales import Companies, CrmLinks, QuoteRequests
from runtime.db.webhooks import InboundEvents, Webhooks


class Transaction:
    """An open transaction and the repositories on it. `conn` is for SQL that no repository has (the gate's books, DBOS)."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.conn = connection

    async def lock(self, name: str) -> None:
        """Holds a named lock until the transaction ends; others that ask for it wait."""
        await Repository(self.conn).lock(name)

    @cached_property
    def products(self) -> Products:
        return Products(self.conn)

    @cached_property
    def creatives(self) -> Creatives:
        return Creatives(self.conn)

    @cached_property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.conn)

    @cached_property
    def analytics(self) -> Analytics:
        return Analytics(self.conn)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self.conn)

    @cached_property
    def leads(self) -> Leads:
        return Leads(self.conn)

    @cached_property
    def conversations(self) -> Conversations:
        return Conversations(self.conn)

    @cached_property
    def messages(self) -> Messages:
        return Messages(self.conn)

    @cached_property
    def webhooks(self) -> Webhooks:
        return Webhooks(self.conn)

    @cached_property
    def inbound_events(self) -> InboundEvents:
        return InboundEvents(self.conn)

    @cached_property
    def companies(self) -> Companies:
        return Companies(self.conn)

    @cached_property
    def quotes(self) -> QuoteRequests:
        return QuoteRequests(self.conn)

    @cached_property
    def crm_links(self) -> CrmLinks:
        return CrmLinks(self.conn)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self.conn)

    @cached_property
    def suppressions(self) -> Suppressions:
        return Suppressions(self.conn)

    @cached_property
    def erasures(self) -> Erasures:
        return Erasures(self.conn)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self.conn)

    @cached_property
    def decisions(self) -> Decisions:
        return Decisions(self.conn)

    @cached_property
    def grants(self) -> Grants:
        return Grants(self.conn)

    @cached_property
    def outcomes(self) -> Outcomes:
        return Outcomes(self.conn)

    @cached_property
    def reports(self) -> Reports:
        return Reports(self.conn)

    @cached_property
    def blacklist(self) -> Blacklist:
        return Blacklist(self.conn)

    @cached_property
    def exchange_rates(self) -> ExchangeRates:
        return ExchangeRates(self.conn)

    @cached_property
    def live_events(self) -> LiveEvents:
        return LiveEvents(self.conn)

    @cached_property
    def schedule_ticks(self) -> ScheduleTicks:
        return ScheduleTicks(self.conn)

    @cached_property
    def users(self) -> Users:
        return Users(self.conn)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.conn)

    @cached_property
    def chat(self) -> Chat:
        return Chat(self.conn)

    @cached_property
    def chat_offers(self) -> ChatOffers:
        return ChatOffers(self.conn)


class Database:
    """The process's way to its database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Opens a transaction (READ COMMITTED); commits on leaving, rolls back when the block raises."""
        async with self.engine.begin() as connection:
            tx = Transaction(connection)
            yield tx
            await tx.live_events.flush()

    async def ping(self) -> None:
        """One round trip; raises sqlalchemy.exc.OperationalError when the database cannot be reached."""
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def dispose(self) -> None:
        """Closes every connection of the pool."""
        await self.engine.dispose()
