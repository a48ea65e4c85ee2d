"""One lead persona: who it is (its true facts), and how it answers what it is asked on WhatsApp.

Everything it does is drawn from `world.rng(its phone, its turn)`: two leads never disturb each other, and the same seller gets
the same lead. A lead ends by itself: a cap on turns, on confusion, on being ignored.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from runtime.sandbox import persona_lines as lines
from runtime.sandbox import speech, zapi_state
from runtime.sandbox.phone import without_ninth
from runtime.sandbox.towns import HOMONYMS, TOWNS, Town
from runtime.sandbox.world import World

LOCAL = ZoneInfo("America/Sao_Paulo")
MAX_TURNS = {"hot": 14, "warm": 10, "cold": 5}
NIGHT = (22, 7)
_WOULD_TALK_TO_A_PERSON = {"cap", "satisfied", "annoyed", "confused"}


def cnpj_check(base: str) -> str:
    """The two check digits of a CNPJ's first 12 characters (letters count as ASCII code - 48; modulus 11)."""
    made = ""
    for weights in ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)):
        rest = sum((ord(c) - 48) * w for c, w in zip(base + made, weights, strict=True)) % 11
        made += str(0 if rest < 2 else 11 - rest)
    return made


def new_cnpj(rng: random.Random, alphanumeric: bool) -> str:
    """A valid CNPJ, 14 characters; alphanumeric ones have letters in the root (in use since July 2026)."""
    alphabet = "ABCDEFGHJKLMNPRSTVWXYZ0123456789" if alphanumeric else "0123456789"
    root = "".join(rng.choice(alphabet) for _ in range(8))
    if alphanumeric and root.isdigit():
        root = "A" + root[1:]
    base = root + "0001"
    return base + cnpj_check(base)


@dataclass(frozen=True)
class Profile:
    """A lead's truth. `kind` is hot, warm or cold; facts are what it could tell."""

    serial: int
    kind: str
    phone: str
    spelling: str
    lid_sometimes: bool
    town: Town
    facts: dict[str, str]
    careless: float
    ad: dict[str, Any] | None


def make_profile(world: World, serial: int, kind: str) -> Profile:
    """Draws lead number `serial`: its facts, its phone's spelling, its ad."""
    rng = world.rng("lead", serial)
    homonyms = [t for t in TOWNS if t.name in HOMONYMS]
    town = rng.choice(homonyms if kind == "warm" and serial % 2 else list(TOWNS))
    # 7919 is coprime with 10**7: serials give distinct numbers, which do not look counted
    phone = f"55{town.ddd}9{8 + serial % 2}{(serial * 7919 + world.seed * 104729) % 10**7:07d}"
    first = rng.choice(lines.FIRST_NAMES)
    word, title = rng.choice(lines.NEEDS)
    company = f"{rng.choice(lines.COMPANY_KINDS)} {rng.choice(lines.COMPANY_NAMES)}"
    cnpj = new_cnpj(rng, alphanumeric=kind == "hot" and serial % 2 == 0)
    domain = lines.fold(company).replace(" ", "").replace("í", "i")
    facts = {
        "name": f"{first} {rng.choice(lines.LAST_NAMES)}",
        "company": company,
        "cnpj": cnpj,
        "cnpj_masked": f"{cnpj[:2]}.{cnpj[2:5]}.{cnpj[5:8]}/{cnpj[8:12]}-{cnpj[12:]}",
        "cnpj_spaced": f"{cnpj[:2]}.{cnpj[2:5]}.{cnpj[5:8]} {cnpj[8:12]}-{cnpj[12:]}",
        "need": word,
        "volume": str(rng.randint(4, 30) if kind == "hot" else rng.randint(1, 3)),
        "urgency": rng.choice(lines.URGENCIES[kind]),
        "town": town.name,
        "uf": town.uf,
        "city": f"{town.name}/{town.uf}",
        "email": f"{lines.fold(first)}@{domain}.example",
        "article": "a" if first[-1] in "aeé" else "o",
        "phone": phone,
    }
    ad = None
    if rng.random() < 0.6:
        ad = {
            "title": title,
            "body": "Peça seu orçamento",
            "mediaType": "IMAGE",
            "thumbnailUrl": "",
            "sourceType": "ad",
            "sourceId": _ad_id(world, rng),
            "sourceUrl": "https://fb.me/sandbox",
            "ctwaClid": f"ARA{rng.getrandbits(96):024x}",
            "containsAutoReply": False,
        }
    return Profile(
        serial,
        kind,
        phone,
        without_ninth(phone) if serial % 5 == 1 else phone,
        serial % 5 == 3,
        town,
        facts,
        rng.choice((0.0, 0.2, 0.5)),
        ad,
    )


def _ad_id(world: World, rng: random.Random) -> str:
    """The id of an ad that is live in the ad twin, so that a lead can be traced to it; a fixed one while none is."""
    live: list[str] = []
    if world.ads is not None:
        for account in world.ads.accounts.values():
            for campaign in account.campaigns.values():
                groups = [group for group in campaign.groups.values() if campaign.on and group.on]
                live += [ad.id for group in groups for ad in group.ads.values() if ad.on]
    return rng.choice(sorted(live)) if live else "120210000000000777"


@dataclass
class Lead:
    """A lead in conversation. `told` is what it disclosed; `ended` says how it went, None while it goes on."""

    world: World
    zapi: zapi_state.Zapi
    who: Profile
    turn: int = 0
    told: set[str] = field(default_factory=set)
    ended: str | None = None
    contacted_at: datetime | None = None
    agent: str | None = None
    complaints: int = 0
    _heard: list[zapi_state.Message] = field(default_factory=list)
    _answering: bool = False
    _confused: int = 0
    _human_turns: int = 0
    _asked: dict[str, int] = field(default_factory=dict)
    _stopped: bool = False
    _nudged: bool = False

    # ---- speaking
    def _say(self, rng: random.Random, at: datetime, texts: list[str], **first: Any) -> datetime:
        """Schedules a burst, a few seconds between its messages. Returns the moment of the last."""
        for number, text in enumerate(texts):
            at += timedelta(seconds=rng.uniform(2, 9) if number else 0)
            extra = first if number == 0 else {}

            async def speak(text: str = text, extra: dict[str, Any] = extra) -> None:
                await self.zapi.inbound(self.who.phone, text, name=self.who.facts["name"], **extra)

            self.world.at(at, speak)
        return at

    def first_contact(self, at: datetime) -> None:
        """Schedules the first burst, with the ad it came from; and a nudge if nobody answers."""
        rng = self.world.rng(self.who.phone, "first")
        chat = self.zapi.register(self.who.phone, self.who.facts["name"], self.who.spelling)
        if self.who.lid_sometimes:
            chat.lid_only = lambda n: n % 3 == 0
        opening = rng.choice(lines.OPENINGS[self.who.kind]).format(**self.who.facts)
        texts = [lines.as_typed(rng, opening, self.who.careless)]
        if rng.random() < 0.7:
            texts.insert(0, rng.choice(lines.GREETINGS))
        if self.who.kind == "hot":
            if "{volume}" not in opening and rng.random() < 0.5:
                texts.append(f"preciso de {self.who.facts['volume']} unidades")
                self.told.add("volume")
            texts.append("podem me passar um orçamento?")
        self.told.add("need")
        self.contacted_at = at
        more: dict[str, Any] = {"externalAdReply": self.who.ad} if self.who.ad else {}
        last = self._say(rng, at, texts, **more)
        self.world.at(last + timedelta(minutes=rng.uniform(40, 90)), self._nudge)

    async def _nudge(self) -> None:
        """Nobody answered: asks once, and is gone after a day."""
        if self.turn or self._heard or self.ended:
            return
        rng = self.world.rng(self.who.phone, "nudge", self._nudged)
        if self._nudged or self.who.kind == "cold":
            self.ended = "ignored"
            return
        self._nudged = True
        self._say(rng, awake(self.world.now, rng), [rng.choice(lines.NUDGE)])
        self.world.at(self.world.now + timedelta(days=1), self._nudge)

    # ---- hearing
    async def hears(self, message: zapi_state.Message) -> None:
        """A message of the seller arrived. The lead answers all that came by then, once, after its own time."""
        if self.contacted_at is None or self.world.now < self.contacted_at:
            return
        if self._stopped:
            self.complaints += 1
            if self.complaints == 2:
                rng = self.world.rng(self.who.phone, "complaint")
                self._say(rng, self.world.now + timedelta(minutes=1), [lines.COMPLAINT])
            return
        if self.ended in _WOULD_TALK_TO_A_PERSON and (message.direction == "phone" or lines.from_human(message.text)):
            self.ended = None
        self._heard.append(message)
        if self._answering or self.ended is not None:
            return
        self._answering = True
        rng = self.world.rng(self.who.phone, "delay", self.turn)
        low, high = {"hot": (20, 180), "warm": (60, 600), "cold": (40, 600)}[self.who.kind]
        wait = rng.uniform(low, high)
        if self.who.kind == "warm" and rng.random() < 0.15:
            wait += rng.uniform(30, 120) * 60
        when = awake(self.world.now + timedelta(seconds=wait), rng)
        self.world.at(when - timedelta(seconds=min(wait / 2, 15)), self._read)
        self.world.at(when, self._answer)

    async def _read(self) -> None:
        await self.zapi.status("READ", [m for m in self._heard if m.direction == "out" and m.status != "READ"])

    async def _answer(self) -> None:
        heard, self._heard, self._answering = self._heard, [], False
        if self.ended is not None or not heard:
            return
        await self.zapi.status("READ", [m for m in heard if m.direction == "out" and m.status != "READ"])
        self.turn += 1
        rng = self.world.rng(self.who.phone, "turn", self.turn)
        text = "\n".join(m.text for m in heard)
        texts = self._reply(rng, text, any(m.direction == "phone" for m in heard))
        if not texts:
            return
        if self.who.kind == "warm" and self.turn == 3 and self.zapi.base_url and rng.random() < 0.5:
            self._voice(rng, ". ".join(texts))
            return
        self._say(rng, self.world.now, [lines.as_typed(rng, t, 0.0 if self._factual(t) else self.who.careless) for t in texts])

    def _factual(self, text: str) -> bool:
        return any(value in text for name, value in self.who.facts.items() if name not in ("article", "uf", "volume"))

    def _voice(self, rng: random.Random, text: str) -> None:
        """Says it as a voice note, whose file the Z-API twin serves."""
        seconds = max(2, round(len(text) / 14))
        name = f"{self.who.serial}-{self.turn}.ogg"
        self.zapi.media[name] = (speech.voice_note(text, seconds), "audio/ogg")
        url = f"{self.zapi.base_url}/zapi/_media/{name}"
        audio = {"ptt": True, "seconds": seconds, "audioUrl": url, "mimeType": "audio/ogg; codecs=opus", "viewOnce": False}
        self._say(rng, self.world.now, [text], kind="audio", content={"audio": audio})

    # ---- thinking
    def _reply(self, rng: random.Random, text: str, by_phone: bool) -> list[str]:
        agent = lines.from_human(text)
        if agent is not None or by_phone or self.agent is not None:
            return self._to_human(rng, agent)
        if self.turn >= MAX_TURNS[self.who.kind]:
            return self._leave(rng, "cap")
        topics = lines.asked(text)
        if self.who.kind == "cold":
            return self._cold(rng, topics)
        return self._interested(rng, topics, text)

    def _leave(self, rng: random.Random, how: str) -> list[str]:
        self.ended = how
        return [rng.choice(lines.LEAVING[self.who.kind])]

    def _to_human(self, rng: random.Random, agent: str | None) -> list[str]:
        self.agent = self.agent or agent or "pessoal"
        self._human_turns += 1
        if self._human_turns > 3:
            self.ended = "with_human"
            return [rng.choice(lines.THANKS)]
        return [rng.choice(lines.TO_HUMAN).format(agent=self.agent)]

    def _cold(self, rng: random.Random, topics: list[str]) -> list[str]:
        fate = self.world.rng(self.who.phone, "fate").random()
        if self.turn >= 2 and fate < 0.4:
            self.ended, self._stopped = "opted_out", True
            return [rng.choice(lines.STOP)]
        if self.turn >= 2 and fate < 0.7:
            self.ended = "vanished"
            return []
        if self.turn >= 3:
            return self._leave(rng, "curious")
        if "city" in topics and rng.random() < 0.5:
            self.told.add("city")
            return [rng.choice(lines.FACTS["town"]).format(**self.who.facts)]
        return rng.sample(lines.COLD_REPLIES, k=rng.randint(1, 2))

    def _interested(self, rng: random.Random, topics: list[str], text: str) -> list[str]:
        if not topics:
            return self._unasked(rng, text)
        replies: list[str] = []
        for topic in topics:
            self._asked[topic] = self._asked.get(topic, 0) + (topic in self.told)
        if any(self._asked[topic] == 2 for topic in topics):
            replies.append(rng.choice(lines.REPEATED))
        if any(self._asked[topic] >= 3 for topic in topics):
            if self.who.kind == "warm" or "asked_human" in self.told:
                return self._leave(rng, "annoyed")
            self.told.add("asked_human")
            return [rng.choice(lines.ASK_HUMAN)]
        for topic in topics[:3]:
            replies += self._tell(rng, topic)
        if self.who.kind == "warm" and rng.random() < 0.3:
            replies.insert(0, rng.choice(lines.SLOW))
        enough = {"company", "cnpj", "city"} <= self.told and len(self.told) >= 5
        if self.who.kind == "hot" and "asked_human" not in self.told and enough:
            self.told.add("asked_human")
            replies.append(rng.choice(lines.ASK_HUMAN))
        return replies

    def _tell(self, rng: random.Random, topic: str) -> list[str]:
        if topic == "confirm":
            return [rng.choice(lines.CONFIRM)]
        stalls = topic in lines.LATER and topic not in self.told and f"stalled {topic}" not in self.told
        if self.who.kind == "warm" and stalls and rng.random() < (0.6 if topic == "cnpj" else 0.25):
            self.told.add(f"stalled {topic}")
            return [rng.choice(lines.LATER[topic])]
        form = topic
        if topic == "city" and self.who.town.name in HOMONYMS and "city" not in self.told:
            # whoever lives in one of five towns of that name does not think of the others
            form = "town"
        if topic == "uf":
            self.told.add("city")
        form_texts = ("{urgency}",) if topic == "urgency" and self.who.kind != "hot" else lines.FACTS[form]
        self.told.add(topic)
        return [rng.choice(form_texts).format(**self.who.facts)]

    def _unasked(self, rng: random.Random, text: str) -> list[str]:
        if lines.closing(text):
            if self.who.kind == "warm":
                return self._leave(rng, "satisfied")
            self.told.add("asked_human")
            if "thanked" in self.told:
                return []
            self.told.add("thanked")
            return [rng.choice(lines.THANKS)]
        self._confused += 1
        if self._confused > 3:
            return self._leave(rng, "confused")
        missing = [t for t in ("company", "volume", "city", "urgency") if t not in self.told]
        if self.who.kind == "hot" and missing:
            return self._tell(rng, missing[0])
        if self.who.kind == "hot" and "asked_human" not in self.told:
            self.told.add("asked_human")
            return [rng.choice(lines.ASK_HUMAN)]
        return [rng.choice(lines.CONFUSED)]

    def book(self) -> dict[str, Any]:
        """The truth about this lead, and what it said of it."""
        return {
            "serial": self.who.serial,
            "kind": self.who.kind,
            "phone": self.who.phone,
            "spelling": self.who.spelling,
            "facts": {k: v for k, v in self.who.facts.items() if k not in ("article", "cnpj_masked", "cnpj_spaced")},
            "told": sorted(t for t in self.told if t in self.who.facts),
            "asked_human": "asked_human" in self.told,
            "turns": self.turn,
            "ended": self.ended or ("waiting" if "thanked" in self.told else None),
            "agent": self.agent,
            "complaints": self.complaints,
            "ad": (self.who.ad or {}).get("sourceId"),
            "contacted_at": self.contacted_at.isoformat() if self.contacted_at else None,
        }


def awake(when: datetime, rng: random.Random) -> datetime:
    """The moment itself by day; the next morning, some minutes after seven in São Paulo, by night."""
    local = when.astimezone(LOCAL)
    if NIGHT[1] <= local.hour < NIGHT[0]:
        return when
    morning = local.replace(hour=NIGHT[1], minute=0, second=0, microsecond=0)
    if local.hour >= NIGHT[0]:
        morning += timedelta(days=1)
    return (morning + timedelta(minutes=rng.uniform(5, 90))).astimezone(when.tzinfo)
