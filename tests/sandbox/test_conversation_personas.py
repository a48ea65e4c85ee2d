"""The people of the sandbox: they answer what they are asked, in their own time, and are the same people for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from conversation_support import BOT, Received, Twins, running

from runtime.sandbox import chatwoot_state, persona_lines, personas, salesperson, zapi_state
from runtime.sandbox.persona_lead import Lead, cnpj_check
from runtime.sandbox.phone import canonical
from runtime.sandbox.towns import HOMONYMS

LOCAL = ZoneInfo("America/Sao_Paulo")
QUESTIONS = (
    "Qual é o nome da sua empresa?",
    "Qual é o CNPJ?",
    "Em qual cidade fica a entrega?",
    "E qual o estado (UF)?",
    "Quantas unidades você precisa?",
    "Qual o prazo?",
    "Qual o seu e-mail?",
)


class Seller:
    """A bot of a few lines: one question after another to every lead (or to one), then goodbye."""

    def __init__(
        self, twins: Twins, *, only: str | None = None, questions: tuple[str, ...] = QUESTIONS, patient: bool = True
    ) -> None:
        self.twins, self.only, self.questions, self.patient = twins, only, questions, patient
        self.asked: dict[str, int] = {}
        self.pending: set[str] = set()
        self.zapi = zapi_state.of(twins.world)
        self.zapi.notify_sent_by_me = False
        self.zapi.base_url = twins.url
        twins.on_hook = self.heard

    async def heard(self, hook: Received) -> None:
        payload = hook.json
        if payload.get("type") != "ReceivedCallback" or payload["fromMe"]:
            return
        phone = self.zapi.chat(payload["phone"]).key
        if phone in self.pending or (self.only and phone != self.only):
            return
        self.pending.add(phone)
        now = self.twins.world.now
        self.twins.world.at(now + timedelta(seconds=25), lambda: self.speak(phone))

    async def speak(self, phone: str) -> None:
        self.pending.discard(phone)
        step = self.asked.get(phone, 0)
        self.asked[phone] = step + 1
        if step < len(self.questions):
            await self.twins.send(phone, self.questions[step])
        elif step == len(self.questions) or not self.patient:
            await self.twins.send(phone, "Obrigado! Um consultor vai entrar em contato.")


def story(twins: Twins, phone: str | None = None) -> list[tuple[str, str, str]]:
    rows = zapi_state.of(twins.world).messages
    return [(m.at.isoformat(), m.direction, m.text) for m in rows if phone is None or m.phone == phone]


async def two_days(seed: int) -> tuple[list[tuple[str, str, str]], list[Lead]]:
    async with running(seed) as twins:
        Seller(twins)
        personas.install(twins.world, 4)
        await twins.after(days=2)
        return story(twins), list(personas.of(twins.world).leads.values())


async def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    first, leads = await two_days(5)
    second, _ = await two_days(5)
    assert first == second and len(first) > 50
    other, _ = await two_days(6)
    assert [row[2] for row in other] != [row[2] for row in first]
    assert {lead.who.kind for lead in leads[:3]} == {"hot", "warm", "cold"}
    assert len(leads) == 12, "four a day; the third day has begun"
    phones = [lead.who.phone for lead in leads]
    assert len(set(phones)) == len(phones) and all(canonical(p) == p and len(p) == 13 for p in phones)
    assert any(len(lead.who.spelling) == 12 for lead in leads) and any(lead.who.lid_sometimes for lead in leads)
    said = [datetime.fromisoformat(at).astimezone(LOCAL).hour for at, direction, _ in first if direction == "in"]
    assert all(7 <= hour < 23 for hour in said), "silence at night"


async def test_one_lead_does_not_depend_on_how_others_are_served() -> None:
    told = []
    for alone in (True, False):
        async with running(9) as twins:
            people = personas.of(twins.world)
            hot, warm = people.add("hot", twins.world.now), people.add("warm", twins.world.now)
            Seller(twins, only=hot.who.phone if alone else None)
            await twins.after(hours=6)
            told.append([text for _, way, text in story(twins, hot.who.phone) if way == "in"])
            assert alone or len(story(twins, warm.who.phone)) > 4
    assert told[0] == told[1]


async def test_a_hot_lead_gives_its_facts_and_wants_a_person() -> None:
    async with running(3) as twins:
        Seller(twins)
        lead = personas.of(twins.world).add("hot", twins.world.now)
        await twins.after(hours=8)
        said = " ".join(text for _, way, text in story(twins, lead.who.phone) if way == "in")
        facts = lead.who.facts
        assert any(facts[form] in said for form in ("cnpj", "cnpj_masked", "cnpj_spaced"))
        assert cnpj_check(facts["cnpj"][:12]) == facts["cnpj"][12:] and not facts["cnpj"].isdigit(), "an alphanumeric one"
        assert facts["company"] in said and facts["town"] in said and facts["email"] in said
        assert lead.book()["asked_human"] and lead.book()["ended"] == "waiting"
        read = twins.of("zapi", type="MessageStatusCallback", status="READ")
        assert read and all(isinstance(row["ids"], list) for row in read)


def test_check_digits_of_known_numbers() -> None:
    for number in ("00000000000191", "11222333000181", "12ABC34501DE35"):
        assert cnpj_check(number[:12]) == number[12:]


async def test_a_lead_of_a_homonym_town_names_the_state_only_when_asked() -> None:
    async with running(3) as twins:
        people = personas.of(twins.world)
        people.add("hot", twins.world.now + timedelta(days=300))
        lead = people.add("warm", twins.world.now)
        assert lead.who.town.name in HOMONYMS
        Seller(twins, questions=("Em qual cidade fica a entrega?", "Em qual cidade fica a entrega?", "E qual o estado (UF)?"))
        await twins.after(hours=10)
        said = [text for _, way, text in story(twins, lead.who.phone) if way == "in"]
        first = next(text for text in said if lead.who.town.name in text)
        assert lead.who.town.uf not in first.replace(lead.who.town.name, "")
        assert any(lead.who.town.uf in text.replace(lead.who.town.name, "") for text in said[said.index(first) + 1 :])


async def test_a_dumb_bot_is_left_sooner_or_later_by_everybody() -> None:
    async with running(4) as twins:
        Seller(twins, questions=("Como posso ajudar?",) * 99)
        people = personas.of(twins.world)
        for number in range(9):
            people.add(personas.KINDS[number % 3], twins.world.now + timedelta(minutes=number))
        await twins.after(days=3)
        count = len(story(twins))
        assert all(lead.turn <= 14 for lead in people.leads.values())
        assert [lead.book()["ended"] for lead in people.leads.values()].count(None) <= 3, "only hot ones may still wait"
        await twins.after(days=4)
        assert len(story(twins)) == count, "nobody talks for ever"


async def test_who_wrote_parar_complains_when_it_does_not_stop() -> None:
    async with running(12) as twins:
        Seller(twins, questions=("Em que posso ajudar?",) * 30, patient=False)
        people = personas.of(twins.world)
        for number in range(8):
            people.add("cold", twins.world.now + timedelta(minutes=5 * number))
        await twins.after(hours=8)
        gone = [lead for lead in people.leads.values() if lead.ended == "opted_out"]
        assert gone, "some of eight cold leads opt out"
        for lead in gone:
            assert any(text in persona_lines.STOP for _, way, text in story(twins, lead.who.phone) if way == "in")
            for _ in range(2):
                await twins.send(lead.who.phone, "Só mais uma coisa...")
            await twins.after(minutes=10)
            said = [text for _, way, text in story(twins, lead.who.phone) if way == "in"]
            assert lead.complaints >= 2 and said[-1] == persona_lines.COMPLAINT


async def test_an_unanswered_lead_asks_once_and_is_gone() -> None:
    async with running(5) as twins:
        lead = personas.of(twins.world).add("hot", twins.world.now)
        await twins.after(days=3)
        assert lead.ended == "ignored"
        assert sum(text in persona_lines.NUDGE for _, _, text in story(twins, lead.who.phone)) == 1


async def test_leads_come_from_ads_and_some_speak() -> None:
    async with running(21) as twins:
        Seller(twins)
        people = personas.of(twins.world)
        for number in range(12):
            people.add("warm", twins.world.now + timedelta(minutes=7 * number))
        await twins.after(hours=10)
        received = [r.json for r in twins.inbox if r.json["type"] == "ReceivedCallback"]
        ads = [row["externalAdReply"] for row in received if row.get("externalAdReply")]
        assert 2 <= len(ads) <= 12 and all(ad["sourceId"] and ad["ctwaClid"] for ad in ads)
        voice = next(row["audio"] for row in received if "audio" in row)
        note = (await twins.http.get(voice["audioUrl"])).content
        heard = await twins.http.post(
            "/openai/v1/audio/transcriptions",
            data={"model": "gpt-transcribe"},
            files={"file": ("voice.ogg", note)},
            headers={"Authorization": "Bearer sk-sandbox"},
        )
        assert len(heard.json()["text"]) > 2


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("Qual é o CNPJ da empresa?", ["cnpj"]),
        ("Qual o nome da sua empresa e o CNPJ?", ["company", "cnpj"]),
        ("Em qual cidade e estado (UF) fica a entrega?", ["city"]),
        ("E qual o estado (UF)?", ["uf"]),
        ("Obrigado! Com quem eu falo?", ["name"]),
        ("Um consultor da nossa equipe vai entrar em contato.", []),
        ("Me informe o melhor e-mail, por favor.", ["email"]),
        ("Para quando você precisa e quantas unidades?", ["volume", "urgency"]),
    ],
)
def test_what_a_text_asks(text: str, topics: list[str]) -> None:
    assert persona_lines.asked(text) == topics


async def test_a_salesperson_takes_a_handoff_writes_answers_and_finishes() -> None:
    outcomes = set()
    async with running(8) as twins:
        people = personas.of(twins.world)
        for number in range(5):  # an hour and fifty minutes each: one working day
            talk = await twins.conversation(f"+5544999990{number:03d}")
            path = f"/chatwoot/api/v1/accounts/1/conversations/{talk['id']}"
            await twins.http.post(path + "/messages", json={"content": "Resumo: lead quente", "private": True}, headers=BOT)
            await twins.http.post(path + "/toggle_status", json={"status": "open"}, headers=BOT)
            await twins.after(minutes=20)
            written = [row for row in twins.of("chatwoot", event="message_created") if row["conversation"]["id"] == talk["id"]]
            human = [row for row in written if (row["sender"] or {}).get("type") == "user"]
            assert 1 <= len(human) <= 3 and not human[0]["private"]
            state = chatwoot_state.of(twins.world)
            assert state.conversations[talk["id"]].assignee is not None
            for text in ("oi", "pode mandar"):
                await state.add_message(state.conversations[talk["id"]], text, "incoming", None)
                await twins.after(minutes=15)
            await twins.after(minutes=60)
        for case in people.salespeople.cases.values():
            assert case.noted and case.replies == 2 and case.outcome is not None
            outcomes.add(case.outcome)
    assert len(outcomes) >= 2


def test_office_hours_skip_nights_and_weekends() -> None:
    friday_night = datetime(2026, 11, 27, 23, 30, tzinfo=UTC)
    opening = salesperson.office(friday_night).astimezone(LOCAL)
    assert opening.weekday() == 0 and opening.hour == 8
    monday = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    assert salesperson.office(monday) == monday


async def test_the_control_door_brings_a_lead_of_a_kind() -> None:
    async with running(2) as twins:
        answer: httpx.Response = await twins.http.post("/zapi/_control/lead", json={"kind": "hot"})
        assert answer.json()["kind"] == "hot" and answer.json()["facts"]["cnpj"]
        await twins.after(minutes=1)
        assert twins.of("zapi", type="ReceivedCallback")
        assert (await twins.http.post("/zapi/_control/lead", json={"kind": "lukewarm"})).status_code == 400


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Olá Otávio! Helena falando, vou cuidar do seu atendimento.", "Helena"),
        ("Oi, aqui é o Marcos da Inox Brasil", "Marcos"),
        ("Boa tarde! Aqui é a assistente virtual da Inox Brasil. Qual o nome da sua empresa?", None),
    ],
)
def test_only_a_person_introduces_herself_as_one(text: str, name: str | None) -> None:
    assert persona_lines.from_human(text) == name
