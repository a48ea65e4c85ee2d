"""One part of the proof over Postgres: worker processes race over one ledger, and the sandbox answers them over real HTTP.

The sandbox's own book is the judge: every write its twins accepted is replayed here, one after the other, and compared with what was
asked, decided and told. Amounts are told apart to the cent, so that each write names the action it came from.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from knowledge.domain.action import Action, Actor, PauseCampaign, Platform, PublishCampaign, ResumeCampaign, SetBudget, parse_action
from knowledge.domain.books import FINAL, Proposal
from knowledge.domain.clock import SettableClock, day_bounds
from knowledge.domain.policy import Policy
from runtime.db.audit_reads import verify_chain
from runtime.db.engine import libpq_url, make_engine
from runtime.proof.asking import DECIDERS, DENIED, PLATFORMS, PROPOSERS, START, WHY, brl, id_of, publication, some_policy
from runtime.proof.judge import Judge, Known, Unit
from runtime.sandbox.adtree import Ad, Campaign, Group
from runtime.sandbox.app import create_sandbox
from runtime.sandbox.serve import ServerHandle, serve_in_loop
from runtime.sandbox.world import Fault
from tools.permit import Permit

if TYPE_CHECKING:
    from runtime.proof.postgres import Hand, House

FAULTS = ("commit_then_500", "error_500", "html_502", "commit_then_html_502", "rate_limit", "drop", "commit_then_drop")
WRITES, READS = r"POST /(meta|tiktok)/", r"GET /(meta|tiktok)/"
BUDGETS: dict[Platform, tuple[int, ...]] = {"meta": (800, 1000, 2000, 3000, 6000), "tiktok": (2500, 3000, 4000)}
ANA = DECIDERS[0]
SIZES, OFTEN = (1, 2, 4, 8), (15, 35, 35, 15)
NEWS = """
select a.id::text, a.status, a.args, a.proposer_kind, a.proposer_id, a.fingerprint, a.undo_of,
  (a.facts ->> 'now')::timestamptz as judged_at, a.decided_at, p.edited_from::text,
  p.edited_by, p.narrower, a.error ->> 'id' as error, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon
from actions a left join approvals p on p.action_id = a.id where a.xmin::text::bigint >= %(horizon)s
"""
"""Actions that a transaction has written which was not over at the last look (`horizon`)."""
WENT = {"done": 0, "executing": 1, "unknown": 1, "failed": 2}
"""Which of several actions a write is of, by where the ledger has them; judged then like any other."""
STOPS = "select id::text, scope, target from kill_switches where lifted_at is null order by set_at, id"
CONSISTENT = """
select 'room is held by a final action' as what, a.id::text as id from actions a join reservations r on r.action_id = a.id
  where r.status = 'held' and a.status = any(%(final)s)
union all select 'open and holds no room', a.id::text from actions a left join reservations r on r.action_id = a.id
  where a.status in ('authorised', 'scheduled', 'executing', 'unknown')
    and a.kind in ('campaign.publish', 'campaign.set_budget', 'campaign.resume') and r.status is distinct from 'held'
union all select 'waiting and ticket differ', a.id::text from actions a left join approvals p on p.action_id = a.id
  where (a.status = 'waiting') <> (coalesce(p.status, '') = 'pending')
"""


class Story:
    """A seeded run. What the workers race in is not repeatable to the letter; what is asked of them is."""

    def __init__(self, house: House, url: str, seed: int) -> None:
        self.house, self.url, self.seed = house, url, seed
        self.chance = random.Random(seed)
        self.policy: Policy = some_policy(self.chance, lively=True)
        self.clock = SettableClock(START + timedelta(minutes=self.chance.randrange(7 * 24 * 60)))
        self.judge = Judge(self.policy, self.clock, self._known)
        self.counts, self.faults = Counter[str](), Counter[str]()
        self.known: dict[str, Known] = {}
        self.status: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.edited: dict[str, str] = {}
        self.keys: list[Proposal] = []
        self.steps = self.numbers = 0
        self._seen = self._horizon = 0
        self._over: list[str] = []
        self._open_kills: list[tuple[str, str, str | None]] = []
        self._lifting: dict[str, tuple[str, str | None]] = {}
        self._edits: dict[str, list[str]] = {}
        self._parts: dict[str, dict[str, tuple[int | None, bool]]] = {}

    def _known(self, action_id: str) -> Known | None:
        return self.known.get(action_id)

    # -- the house ------------------------------------------------------------------------------------------------------------

    async def run(self, steps: int) -> None:
        """Steps until so many are done or a law is broken, then everything is brought to its end."""
        app = create_sandbox(self.seed, self.clock.now(), personas=False)
        self.world, self.book, self.market = app.state.world, app.state.book, app.state.market
        self.server: ServerHandle = await serve_in_loop(app)
        self.conn = await AsyncConnection[dict[str, Any]].connect(libpq_url(self.url), autocommit=True, row_factory=dict_row)
        await self.conn.execute("set time zone 'UTC'")
        try:
            await asyncio.gather(*(self._open(hand) for hand in self.house.hands))
            while self.steps < steps and not self.judge.breaches:
                await self._step()
            if not self.judge.breaches:
                await self._finish()
            await asyncio.gather(*(hand.ask({"do": "close"}) for hand in self.house.hands))
        finally:
            await self.conn.close()
            await self.server.stop()

    async def _open(self, hand: Hand) -> None:
        opening = {"do": "open", "database": self.url, "sandbox": self.server.url, "now": self.clock.now().isoformat()}
        answer = await hand.ask(opening | {"policy": self.policy.model_dump(mode="json")})
        if answer is None or "executor" not in answer:
            raise RuntimeError(f"a worker could not open the house: {answer}")

    async def _rows(self, sql: LiteralString, **params: Any) -> list[dict[str, Any]]:
        cursor = await self.conn.execute(sql, params)
        return await cursor.fetchall() if cursor.description else []

    # -- one step -------------------------------------------------------------------------------------------------------------

    async def _step(self) -> None:
        chance, hands = self.chance, self.house.hands
        size = chance.choices(SIZES, OFTEN)[0]
        commands: list[dict[str, Any]] = []
        for _ in range(0, size, 2):
            await self._pass(timedelta(seconds=chance.choice((1, 1, 1, 5, 61))))
            if chance.random() < 0.05:
                await self._pass(timedelta(minutes=chance.choice((11, 61, 300, 1500))))
            if chance.random() < 0.08:
                self._weather()
        while len(commands) < size:
            commands.append(self._command())
            if len(commands) < size and chance.random() < 0.08:  # the same thing twice at once: a double click, a retry
                commands.append(dict(commands[-1]))
                if commands[-1]["do"] == "approve":
                    commands[-1]["actor"] = chance.choice(DECIDERS).model_dump(mode="json")
        # Every other one goes to another process, and what a process has it does at once.
        order = chance.sample(range(len(hands)), len(hands))
        fuse = chance.random() * 0.08 if chance.random() < 0.01 else None
        self._lifting.clear()
        buttons = [self._presses(command) for command in commands]
        for command in commands:
            self.judge.lines.append(f"{self.clock.now():%d %H:%M:%S} step {self.steps}: {_short(command)}")
        asked = [asyncio.create_task(hands[order[n % len(hands)]].ask(command)) for n, command in enumerate(commands)]
        if fuse is not None:
            await asyncio.sleep(fuse)
            hands[order[0]].kill()
        answers = await asyncio.gather(*asked)
        await self._learn()
        self._judge_writes()
        heard = sorted(zip(commands, answers, buttons, strict=True), key=_drifted_first)
        for command, answer, button in heard:
            self._hear(command, answer, button)
        self._tell_all()
        self.steps += size
        if self.steps % 10 < size:
            await self._consistent()
        if fuse is not None:
            self.counts["worker deaths"] += 1
            await hands[order[0]].end()
            hands[order[0]] = await type(hands[order[0]])().ready()
            await self._open(hands[order[0]])

    def _weather(self) -> None:
        kind = self.chance.choice(FAULTS)
        match = WRITES if kind.startswith("commit") or self.chance.random() < 0.7 else READS
        self.world.faults[:] = [fault for fault in self.world.faults if fault.times > 0][-3:]
        self.world.faults.append(Fault(match, kind, self.chance.choice((1, 1, 2, 4))))
        self.faults[f"{'write' if match == WRITES else 'read'}_{kind}"] += 1

    # -- what is asked --------------------------------------------------------------------------------------------------------

    def _command(self) -> dict[str, Any]:
        chance, now = self.chance, {"now": self.clock.now().isoformat()}
        do = chance.choices(
            ("submit", "approve", "care", "reject", "edit", "undo", "kill", "lift", "repeat", "extend", "withdraw", "act_early"),
            (34, 22, 7, 3, 4, 4, 1, 8, 5, 1, 1, 2),
        )[0]
        if do == "repeat" and not self.keys:
            do = "submit"
        if do in ("submit", "repeat"):
            proposal = self._proposal() if do == "submit" else chance.choice(self.keys[-20:])
            return {"do": "submit", "proposal": proposal.model_dump(mode="json")} | now
        if do == "care":
            return {"do": "care"} | now
        actor = {"actor": chance.choice(DECIDERS).model_dump(mode="json")} | now
        if do == "kill":
            scope = chance.choice(("all", "platform", "campaign", "campaign", "agent"))
            target = {"all": None, "platform": "meta", "campaign": self._campaign()[1], "agent": "media_buyer"}[scope]
            return {"do": "kill", "scope": scope, "target": target} | actor
        if do == "lift":
            ident = chance.choice(self._open_kills)[0] if self._open_kills else "nothing"
            return {"do": "lift", "id": ident} | actor
        wanted = {"undo": ("done",), "act_early": ("scheduled",), "withdraw": ("scheduled", "waiting")}.get(do, ("waiting",))
        found = [ident for ident, status in self.status.items() if status in wanted][-8:]
        if not found:
            return {"do": "submit", "proposal": self._proposal().model_dump(mode="json")} | now
        ident = chance.choice(found) if chance.random() < 0.95 else chance.choice(list(self.status))
        command: dict[str, Any] = {"do": do, "id": ident} | actor
        if do == "approve":
            right = self.fingerprints[ident]
            command["fingerprint"] = chance.choice((right, right, right, None, "0" * 64))
        elif do == "extend":
            command["hours"] = chance.choice((1, 24, 100))
        elif do == "edit":
            before = getattr(self.known[ident].action, "daily_budget", None)
            minor = self._unique(round((before.minor if before else 1000) * chance.choice((0.6, 0.9, 1.2))))
            command["changes"] = {"daily_budget": {"minor": minor, "currency": "BRL"}} if before else {"name": "x"}
        return command

    def _proposal(self) -> Proposal:
        self.numbers += 1
        proposal = Proposal(action=self._action(), key=f"k{self.numbers}", proposer=self.chance.choice(PROPOSERS), why=WHY)
        self.keys.append(proposal)
        self.judge.asked_for[id_of(proposal.key)] = [proposal.action]
        return proposal

    def _unique(self, minor: int) -> int:
        """An amount that nobody asked for before: the write of it names its action."""
        self.numbers += 1
        return max(700, minor // 1000 * 1000) + self.numbers % 1000

    def _campaign(self) -> tuple[Platform, str]:
        units = list(self.judge.units.values())
        if not units:
            return "meta", "nowhere"
        unit = self.chance.choice(units)
        name = "nowhere" if self.chance.random() < 0.02 else unit.campaign_id or ""
        return unit.platform, name  # type: ignore[return-value]

    def _action(self) -> Action:
        chance = self.chance
        running = len(self.judge.units)
        often = 400 if not running else 8 if running < 3 else 1
        kind = chance.choices(("publish", "budget", "pause", "resume"), (often, 10, 2, 3))[0]
        if kind == "publish":
            platform: Platform = chance.choice(PLATFORMS)
            return publication(platform, f"new-{self.numbers}", self._unique(chance.choice(BUDGETS[platform])))
        platform, campaign = self._campaign()
        if kind == "budget":
            now = next((u.budget for u in self.judge.units.values() if u.campaign_id == campaign), 2000)
            minor = round(now * chance.choice((0.5, 0.8, 0.9, 0.95, 1.03, 1.05, 1.08, 1.1, 1.12, 1.15, 1.19, 1.3, 1.49, 2)))
            minor = max(700, minor) // 10 * 10
            self.numbers += 1
            return SetBudget(platform=platform, campaign_id=campaign, daily_budget=brl(minor + self.numbers % 10))
        if kind == "pause":
            return PauseCampaign(platform=platform, campaign_id=campaign, emergency=chance.random() < 0.3)
        return ResumeCampaign(platform=platform, campaign_id=campaign)

    # -- what is told ---------------------------------------------------------------------------------------------------------

    def _presses(self, command: dict[str, Any]) -> Any:
        """A yes counts for the judge from when its button is pressed; a stop from when it was told; a lift from when it was asked."""
        if command["do"] == "lift":
            lifting = {i: (s, t) for i, s, t in self._open_kills if i == command["id"] and (s, t) in self.judge.kills}
            self._lifting |= lifting
            left = [(s, t) for i, s, t in self._open_kills if i not in self._lifting]
            self.judge.kills[:] = [kill for kill in left if kill in self.judge.kills]
        if command["do"] != "approve":
            return None
        actor = Actor.model_validate(command["actor"])
        entitled = actor.kind == "user" and actor.role in ("manager", "admin")
        if not entitled or command["fingerprint"] not in (None, self.fingerprints[command["id"]]):
            return None
        return self.judge.says_yes(command["id"], actor)

    async def _learn(self) -> None:
        """What the ledger holds now: new actions and where each one stands."""
        rows = await self._rows(NEWS, horizon=self._horizon)
        for row in rows:
            self._horizon = row["horizon"]
            if row["id"] not in self.known:
                self._met(row)
        for row in rows:
            ident, before, after = row["id"], self.status.get(row["id"]), row["status"]
            if before == after and self.known[ident].judged_at == row["judged_at"]:
                continue
            self.known[ident] = replace(self.known[ident], judged_at=row["judged_at"], agreed_at=row["decided_at"])
            if before in FINAL and after != before:
                self.judge.breach(f"action {ident} was {before} and is now {after}")
            if after == "waiting":
                self.judge.asked.add(ident)
                self.judge.until.setdefault(ident, self.clock.now() + self.policy.approval_time)
            self.status[ident] = after
            if row["error"] == "gate.given_up":
                self.judge.given_up.add(ident)
            if after in FINAL:
                self._over.append(ident)
        self._open_kills = [(row["id"], row["scope"], row["target"] or None) for row in await self._rows(STOPS)]

    def _met(self, row: Any) -> None:
        """An action that is in the ledger since the last look."""
        ident, proposer_id = row["id"], row["proposer_id"]
        raw = Actor.model_validate_json(proposer_id) if proposer_id.startswith("{") else None
        proposer = raw or Actor(kind=row["proposer_kind"], id=proposer_id)
        self.known[ident] = Known(
            parse_action(row["args"]), proposer, row["judged_at"], row["decided_at"], row["undo_of"] is not None
        )
        self.fingerprints[ident] = row["fingerprint"]
        if row["edited_from"] is not None:
            if not row["narrower"]:
                self.judge.editors[ident] = row["edited_by"]
            self._edits.setdefault(row["edited_from"], []).append(ident)
            if row["edited_from"] in self.judge.until:
                self.judge.until[ident] = self.judge.until[row["edited_from"]]

    def _hear(self, command: dict[str, Any], answer: dict[str, Any] | None, button: Any) -> None:
        do, judge = command["do"], self.judge
        if answer is not None and "raised" in answer:
            judge.breach(f"the gate raised over {_short(command)}: {answer['raised']}")
        message = (answer or {}).get("message", "")
        heard = answer or {"status": "died"}
        ident, rules = str(heard.get("id") or "")[:8], ", ".join(heard.get("rules", ()))
        judge.lines.append(f"    {do}: {heard.get('status', '')} {message} {ident} {rules}")
        if answer is not None and "status" in answer:
            self.counts[answer["status"] if do == "submit" else f"{do} {'yes' if answer['ok'] else 'no'}"] += 1
        if button is not None:
            drifted = message == "gate.drifted"
            judge.said(button, counted=not (drifted or message in DENIED))
            if drifted:
                judge.forget_yes(command["id"])
        if do == "extend" and (answer is None or answer.get("ok")):
            self._extended(command["id"], timedelta(hours=command["hours"]))
        if do in ("kill", "lift") and (answer is None or answer.get("ok")):
            told = (command.get("scope", ""), command.get("target"))
            still = [(scope, target) for _, scope, target in self._open_kills]
            if do == "kill" and answer is not None and told in still and told not in judge.kills:
                judge.kills.append(told)
            judge.kills[:] = [kill for kill in judge.kills if kill in still]
        if do == "lift" and answer is not None and not answer.get("ok") and command["id"] in self._lifting:
            told = self._lifting.pop(command["id"])
            if command["id"] in [ident for ident, _, _ in self._open_kills]:  # nobody lifted it: it counts as before
                judge.kills.append(told)

    def _extended(self, ident: str, more: timedelta) -> None:
        """More time for a request; who edited it in the same moment took that along, since an edited one cannot be extended."""
        if ident in self.judge.until:
            self.judge.until[ident] += more
        for edited in self._edits.get(ident, ()):
            self._extended(edited, more)

    def _tell_all(self) -> None:
        for ident in self._over:
            self.judge.told(ident, self.status[ident])
        self._over.clear()

    # -- the sandbox's own book -----------------------------------------------------------------------------------------------

    def _judge_writes(self) -> None:
        """Every write the twins accepted since the last look, one after the other, as if seen when it arrived."""
        news, self._seen = self.world.writes[self._seen :], len(self.world.writes)
        for write in news:
            node = self.book.node(write.vendor, write.object_id)
            if not isinstance(node, Campaign | Group | Ad):
                continue
            campaign = node if isinstance(node, Campaign) else node.campaign if isinstance(node, Group) else node.group.campaign
            self._shown(write, node, campaign)

    def _shown(self, write: Any, node: Campaign | Group | Ad, campaign: Campaign) -> None:
        unit = self.judge.units.get((write.vendor, campaign.id))
        if write.operation == "campaign.create":
            action_id, action = self._publisher(campaign.name)
            if action is None or action_id is None:
                self.judge.breach(f"{campaign.name} was made on {write.vendor} and nobody asked for it")
                return
            key = next((p.key for p in self.keys if id_of(p.key) == action_id), action_id)
            unit = self.judge.created(self._permit(action_id), write.vendor, action, key)
            self.judge.units.pop((write.vendor, unit.external_id))
            unit.external_id, unit.budget = campaign.id, 0
            self.judge.units[write.vendor, campaign.id] = unit
            self._parts[unit.external_id] = {}
        if unit is None:
            return
        parts = self._parts[unit.external_id]
        budget, on = parts.get(node.id, (None, False))
        named = write.detail.get("daily_budget_minor")
        status = write.detail.get("status")
        parts[node.id] = (named if named is not None else budget, status in ("ACTIVE", "ENABLE") if status else on)
        if write.operation.endswith(".create") and isinstance(node, Group | Ad) and self._twice(unit, node):
            self.judge.breach(f"{campaign.name} got a second {type(node).__name__.lower()} on {write.vendor}")
        self._effective(unit, campaign)

    def _twice(self, unit: Unit, node: Group | Ad) -> bool:
        """One intent creates exactly one object: a campaign has one group, and a group one ad for each of its creatives (one here)."""
        kind = type(node)
        return sum(isinstance(self.book.node(unit.platform, ident), kind) for ident in self._parts[unit.external_id]) > 1

    def _effective(self, unit: Unit, campaign: Campaign) -> None:
        """What the platform would spend now by plan, and whether it delivers; a change of either is a write of some action."""
        parts = self._parts[unit.external_id]
        top = parts.get(campaign.id, (None, False))
        groups = [parts[g.id] for g in campaign.groups.values() if g.id in parts]
        ads = [parts[a.id][1] for g in campaign.groups.values() for a in g.ads.values() if a.id in parts]
        budget = top[0] if top[0] is not None else sum(minor for minor, _ in groups if minor is not None)
        on = top[1] and any(switched for _, switched in groups) and any(ads)
        if not unit.budgets and not on:  # still being made
            unit.budget = budget
            return
        if budget != unit.budget and unit.budgets:
            self._attributed(unit, "budget", budget)
        if on != unit.on:
            self._attributed(unit, "on" if on else "off", budget)

    def _attributed(self, unit: Unit, what: str, minor: int) -> None:
        judge = self.judge
        wanted: list[str] = []
        for ident, known in self.known.items():
            action = known.action
            if getattr(action, "campaign_id", None) != unit.campaign_id:
                continue
            fits = (
                (what == "budget" and isinstance(action, SetBudget) and action.daily_budget.minor == minor)
                or (what == "on" and isinstance(action, ResumeCampaign))
                or (what == "on" and isinstance(action, PublishCampaign) and not unit.budgets)
                or (what == "off" and isinstance(action, PauseCampaign))
            )
            if fits:
                wanted.append(ident)
        allowed = [ident for ident in wanted if judge.forbids(ident) is None]
        # Of several that want the same, the one that the ledger says has gone out; which is judged then like any other.
        allowed.sort(key=lambda ident: WENT.get(self.status[ident], 3))
        able = [ident for ident in allowed if not judge.performed[ident]] or allowed or wanted
        if not able:
            judge.breach(f"{unit.campaign_id}: {what} {minor} was accepted and no action wants it")
            unit.budget, unit.on = minor, what != "off" and unit.on
            return
        ident = able[0]
        if not allowed:
            judge.breach(f"{unit.campaign_id}: {what} {minor} of action {ident} left although {judge.forbids(ident)}")
        if what == "budget":
            judge.budgeted(self._permit(ident), unit, brl(minor))
            return
        unit.budget = minor
        judge.switched(self._permit(ident), unit, on=what == "on", operation="resume" if unit.budgets else "activate")

    def _publisher(self, name: str) -> tuple[str | None, PublishCampaign | None]:
        """Whose publication a campaign on the platform is: by its name, and of edited ones the one that the ledger says has gone out."""
        found = [
            (ident, known.action)
            for ident, known in self.known.items()
            if isinstance(known.action, PublishCampaign) and known.action.name in name.split()
        ]
        found.sort(key=lambda pair: WENT.get(self.status[pair[0]], 3))
        able = [pair for pair in found if self.judge.forbids(pair[0]) is None]
        return (able or found or [(None, None)])[0]

    def _permit(self, action_id: str) -> Permit:
        async def passed() -> None:
            """It was passed when the write left."""

        return Permit(action_id=action_id, key="", scopes=frozenset(), guard=passed)

    # -- time -----------------------------------------------------------------------------------------------------------------

    async def _pass(self, step: timedelta) -> None:
        until = self.clock.now() + step
        while True:
            end = day_bounds(self.clock.now(), self.policy.time_zone)[1]
            if until < end:
                await self.world.advance(until)
                self.clock.set(until)
                return
            await self.world.advance(end)
            await self._report(end)
            self.clock.set(end)
            self.judge.begin_day()

    async def _report(self, end: datetime) -> None:
        """The day's real figures reach the ledger; and no day has cost more than the cap."""
        self.market.settle()
        day, spent = self.judge.today(), 0
        for unit in self.judge.units.values():
            campaign = self.book.node(unit.platform, unit.external_id)
            account = campaign.account
            minor = sum(
                bucket.spend
                for group in campaign.groups.values()
                for ad in group.ads.values()
                for index, bucket in ad.hours.items()
                if self.market.local(account, index)[0] == day
            )
            spent += minor
            if minor:
                unit.spent[day] = unit.reported[day] = minor
                await self._rows(
                    "insert into analytics (workspace, platform, level, external_id, campaign_id, day, impressions, clicks,"
                    " spend_minor, conversions, revenue_minor, currency, provisional, first_seen_at, updated_at) values ('default',"
                    " %(platform)s, 'campaign', %(external)s, (select id from campaigns where platform = %(platform)s and"
                    " external_id = %(external)s), %(day)s, 2000, 20, %(minor)s, 2, %(revenue)s, 'BRL', false, %(at)s, %(at)s)"
                    " on conflict (platform, level, external_id, day, hour) do update set spend_minor = excluded.spend_minor",
                    platform=unit.platform, external=unit.external_id, day=day, minor=minor, revenue=minor * 2, at=end,
                )  # fmt: skip
        for platform in PLATFORMS:
            await self._rows(
                "insert into days_read (platform, day, read_at) values (%(platform)s, %(day)s, %(at)s) on conflict do nothing",
                platform=platform, day=day, at=end,
            )  # fmt: skip
            self.judge.read[platform, day] = end
        if spent > self.policy.guardrails.financial.daily_cap.minor:
            self.judge.breach(f"{day} really cost {spent} of {self.policy.guardrails.financial.daily_cap.minor}")

    # -- at the end -----------------------------------------------------------------------------------------------------------

    async def _consistent(self) -> None:
        for row in await self._rows(CONSISTENT, final=sorted(FINAL)):
            self.judge.breach(f"{row['what']}: action {row['id']}")

    async def _finish(self) -> None:
        """Faults end, stops are lifted, time passes: nothing may stay half done, and the chain is whole."""
        self.world.faults.clear()
        hand = self.house.hands[0]
        for ident, _, _ in self._open_kills:
            lifting = {"do": "lift", "id": ident, "actor": ANA.model_dump(mode="json"), "now": self.clock.now().isoformat()}
            self._presses(lifting)
            await hand.ask(lifting)
        self.judge.kills.clear()
        for _ in range(4):
            await self._pass(timedelta(hours=25, minutes=1))
            command = {"do": "care", "now": self.clock.now().isoformat()}
            answer = await hand.ask(command)
            await self._learn()
            self._judge_writes()
            self._hear(command, answer, None)
            self._tell_all()
        await self._consistent()
        for row in await self._rows(
            "select id::text, kind, status from actions where status <> all(%(final)s)", final=sorted(FINAL)
        ):
            self.judge.breach(f"action {row['id']} ({row['kind']}) is left {row['status']}")
        engine = make_engine(self.url, pool_size=1)
        async with engine.connect() as conn:
            rows, broken = await verify_chain(conn)
        await engine.dispose()
        if broken is not None:
            self.judge.breach(f"the audit chain breaks at {broken} of {rows}")


def _drifted_first(heard: tuple[dict[str, Any], dict[str, Any] | None, Any]) -> bool:
    """Of yeses in one moment those that made the gate forget others come first: which others, nobody can tell from outside."""
    return (heard[1] or {}).get("message") != "gate.drifted"


def _short(command: dict[str, Any]) -> str:
    what = command["do"]
    if what == "submit":
        action = command["proposal"]["action"]
        budget = (action.get("daily_budget") or {}).get("minor", "")
        return f"{command['proposal']['key']} {action['kind']} {action.get('campaign_id')} {budget} by {command['proposal']['proposer']['id']}"
    return f"{what} {str(command.get('id', command.get('scope', '')))[:8]} {command.get('actor', {}).get('id', '')}"
