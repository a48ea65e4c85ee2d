"""The offline SDR: progressive qualification in Brazilian Portuguese, by rule.

A turn has up to three steps, each decided from the messages alone: (1) store what was said and look up what was asked, (2) record
temperature, quote and handoff from the stored profile, (3) say one thing and ask at most two.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from agents.offline import sentences as say
from agents.offline.brain import Answer, Call, Said, as_rows, parsed, pick, results, since_user
from agents.offline.intents import Intent, intents
from agents.offline.scoring import qualify
from agents.offline.slots import asked_in, declined, declines, read, read_late
from agents.offline.text import fold
from knowledge.domain.lead import LeadProfile, Qualification
from knowledge.library import asked, terms

FACTS = re.compile(r"<turn_facts>(.*?)</turn_facts>", re.DOTALL)
REFUSAL_TAG = "<gate_refusal>"
_LOOKUP: frozenset[Intent] = frozenset({"question", "delivery", "availability", "payment"})
_LASTING: frozenset[Intent] = frozenset(
    {"price", "availability", "delivery", "payment", "buy", "discount", "cold", "opt_out", "erasure"}
)
_MONEY_OR_TIME = re.compile(
    r"R\$|\d+ ?%|\b\d+ (?:dias?|horas?|semanas?|reais)\b|\bdesconto\b|\bgr[aá]tis\b|pronta entrega", re.IGNORECASE
)


@dataclass
class _Turn:
    """What the brain knows of this turn, all of it derived from the messages."""

    text: str
    profile: LeadProfile
    wants: frozenset[Intent]
    ever: frozenset[Intent]
    asked_now: tuple[str, ...]
    asked_times: Counter[str]
    declined: set[str]
    first: bool
    company: str
    seed: str
    done: dict[str, Any] = field(default_factory=dict[str, Any])


class SdrBrain:
    """Qualifies one lead. Stateless."""

    def answer(self, messages: Sequence[Said], tools: frozenset[str]) -> Answer:
        turn = _understand(messages)
        if turn.text.startswith(REFUSAL_TAG):
            return Answer(_safe_text(turn))
        steps = (_store, _record)
        for step in steps:
            calls = tuple(c for c in step(turn) if c.name in tools and c.name not in turn.done)
            if calls:
                return Answer(calls=calls)
        return Answer(_reply(turn))


def _understand(messages: Sequence[Said]) -> _Turn:
    before, text, since = since_user(messages)
    facts = _facts(messages)
    asked_times: Counter[str] = Counter()
    refused: set[str] = set()
    ever: set[Intent] = set()
    last_asked: tuple[str, ...] = ()
    told: dict[str, str] = {}
    for message in before:
        if message.role == "assistant" and message.text:
            last_asked = asked_in(message.text)
            asked_times.update(last_asked)
        elif message.role == "user" and not message.text.startswith(REFUSAL_TAG):
            ever |= intents(message.text) & _LASTING
            told |= read(message.text, last_asked)
            refused |= declined(message.text, last_asked)
    if text.startswith(REFUSAL_TAG):
        last_user = next((m.text for m in reversed(before) if m.role == "user"), "")
        wants = intents(last_user)
    else:
        wants = intents(text)
        refused |= declined(text, last_asked)
    profile = _profile(facts, told)
    done = results(since)
    updated = done.get("update_lead")
    if isinstance(updated, dict):
        profile = _merged(profile, cast(dict[str, Any], updated).get("profile"))
    return _Turn(
        text=text,
        profile=profile,
        wants=wants,
        ever=frozenset(ever | (wants & _LASTING)),
        asked_now=last_asked,
        asked_times=asked_times,
        declined=refused,
        first=not any(m.role == "assistant" and m.text for m in before),
        company=str(facts.get("company") or "nossa empresa"),
        seed=f"{facts.get('seed', '')}{len(before)}{text[:40]}",
        done=done,
    )


def _facts(messages: Sequence[Said]) -> dict[str, Any]:
    """The facts the house stated for this turn; only system messages may state them."""
    for message in reversed(messages):
        if message.role == "system" and (match := FACTS.search(message.text)):
            value = parsed(match[1])
            if isinstance(value, dict):
                return cast(dict[str, Any], value)
    return {}


def _profile(facts: dict[str, Any], told: dict[str, str]) -> LeadProfile:
    given = facts.get("profile")
    if isinstance(given, dict):
        return _merged(LeadProfile.model_validate({}), cast(dict[str, Any], given))
    # Without stated facts (a preview chat) what was said earlier is all there is; unchecked values stay out
    return _merged(LeadProfile.model_validate({}), {k: v for k, v in told.items() if k not in {"cnpj", "email", "phone"}})


def _merged(profile: LeadProfile, values: Any) -> LeadProfile:
    if not isinstance(values, dict):
        return profile
    known = {k: str(v) for k, v in cast(dict[str, Any], values).items() if k in LeadProfile.model_fields and k != "ORDER" and v}
    return profile.model_copy(update=known)


def _silent(turn: _Turn) -> bool:
    """Turns in which nothing is asked and nothing is collected."""
    return bool(turn.wants & {"opt_out", "opt_out_unsure", "erasure", "audio"})


def _store(turn: _Turn) -> list[Call]:
    if "opt_out" in turn.wants:
        return [Call("register_opt_out")]
    if _silent(turn):
        return []
    calls: list[Call] = []
    heard = _heard(turn)
    found = {k: v for k, v in heard.items() if fold(v) != fold(str(getattr(turn.profile, k) or ""))}
    if "need" in found and turn.profile.need and fold(found["need"]) in fold(turn.profile.need):
        del found["need"]  # "o forno" after "forno combinado" says less, not more
    if found:
        calls.append(Call("update_lead", found))
    only_price = "price" in turn.wants and not turn.wants & {"delivery", "availability"}
    # Who asks whether it is a robot asks nothing that a catalogue answers.
    looked_up = _LOOKUP - {"question"} if "identity" in turn.wants else _LOOKUP
    if turn.wants & looked_up and not only_price and not turn.wants & {"injection", "off_topic", "human"}:
        calls.append(Call("search_knowledge_base", {"query": _query(turn)}))
    return calls


def _heard(turn: _Turn) -> dict[str, str]:
    if "injection" in turn.wants:
        return read(turn.text)
    found = read(turn.text, turn.asked_now)
    earlier = tuple(slot for slot in turn.profile.missing() if turn.asked_times[slot] and slot not in turn.asked_now)
    return found or read_late(turn.text, earlier)


def _query(turn: _Turn) -> str:
    """The question as asked; the product in question is added when the lead did not name it and it matters."""
    need = turn.profile.need or ""
    words = " ".join(turn.text.split())[:200]
    general = not need or fold(need) in fold(words) or turn.wants & {"delivery", "payment"}
    return words if general else f"{words} {need}"


def _qualification(turn: _Turn) -> Qualification:
    return qualify(turn.profile, turn.ever)


def _record(turn: _Turn) -> list[Call]:
    if turn.wants & {"audio", "opt_out"}:
        return []
    calls: list[Call] = []
    quality = _qualification(turn)
    if not turn.wants & {"erasure"}:
        parts = {"fit": quality.fit, "volume": quality.volume, "urgency": quality.urgency, "intent": quality.intent}
        calls.append(Call("record_temperature", {"temperature": quality.temperature, **parts}))
    reason = _handoff_reason(turn, quality)
    wants_quote = turn.ever & {"price", "buy"} or reason == "hot_lead" or not _open_slots(turn)
    if (
        turn.profile.need
        and wants_quote
        and not turn.wants & {"erasure", "off_topic", "injection", "cold", "thanks", "bye"}
        and "cold" not in turn.ever
    ):
        note = "; ".join(filter(None, (turn.profile.urgency, _place(turn.profile))))
        args = {"items": turn.profile.need, "quantity": turn.profile.volume, "note": note or None}
        calls.append(Call("create_quote_request", {k: v for k, v in args.items() if v}))
    if reason:
        calls.append(Call("request_handoff", {"reason": reason}))
    return calls


def _handoff_reason(turn: _Turn, quality: Qualification) -> str | None:
    if "erasure" in turn.wants:
        return "erasure_request"
    if "human" in turn.wants:
        return "asked_for_human"
    if "complaint" in turn.wants:
        return "complaint"
    rejected = _rejected(turn)
    if quality.temperature == "hot" and turn.profile.name and not rejected and not turn.wants & {"off_topic", "injection"}:
        return "hot_lead"
    return None


def _place(profile: LeadProfile) -> str | None:
    return "/".join(filter(None, (profile.city, profile.state))) or None


def _rejected(turn: _Turn) -> dict[str, str]:
    updated = turn.done.get("update_lead")
    rejected = cast(dict[str, Any], updated).get("rejected") if isinstance(updated, dict) else None
    return {k: str(v) for k, v in cast(dict[str, Any], rejected).items()} if isinstance(rejected, dict) else {}


def _stored(turn: _Turn) -> dict[str, str]:
    updated = turn.done.get("update_lead")
    stored = cast(dict[str, Any], updated).get("stored") if isinstance(updated, dict) else None
    return {k: str(v) for k, v in cast(dict[str, Any], stored).items()} if isinstance(stored, dict) else {}


def _open_slots(turn: _Turn) -> list[str]:
    """Slots worth asking: missing, not declined, not asked twice already; those asked least come first."""
    missing = [s for s in turn.profile.missing() if s not in turn.declined and turn.asked_times[s] < 2]
    if "company" in turn.declined and "cnpj" in missing:
        missing.remove("cnpj")  # who has no company has no CNPJ either
    if "state" in missing:
        return ["state", *(s for s in missing if s != "state")]
    return sorted(missing, key=lambda s: turn.asked_times[s])


def _question(turn: _Turn) -> str:
    slots = _open_slots(turn)
    if not slots:
        return ""
    if slots[:2] == ["name", "need"] and not turn.asked_times:
        return pick(say.FIRST_QUESTION, turn.seed)
    return pick(say.ASK[slots[0]], turn.seed).format(city=turn.profile.city or "")


def _names(turn: _Turn) -> dict[str, str]:
    first = (turn.profile.name or "").split(" ")[0]
    return {
        "company": turn.company,
        "name": first,
        "comma_name": f", {first}" if first else "",
        "name_comma": f"{first}, " if first else "Ótimo, ",
    }


def _reply(turn: _Turn) -> str:
    names = _names(turn)

    def speak(options: Sequence[str]) -> str:
        return pick(options, turn.seed).format(**names)

    for intent, options in (
        ("audio", say.AUDIO),
        ("opt_out", say.OPT_OUT),
        ("erasure", say.ERASURE),
        ("opt_out_unsure", say.OPT_OUT_UNSURE),
    ):
        if intent in turn.wants:
            return speak(options)
    if "human" in turn.wants:
        return speak(say.HUMAN)
    if "complaint" in turn.wants:
        return speak(say.COMPLAINT)
    quality = _qualification(turn)
    rejected = {k: v for k, v in _rejected(turn).items() if not (k == "state" and turn.profile.city and "exists in" in v)}
    parts: list[str] = []
    if turn.first or "greeting" in turn.wants:
        parts.append(_greeting(turn, names))
    if "injection" in turn.wants:
        parts.append(speak(say.INJECTION))
    elif "off_topic" in turn.wants:
        parts.append(speak(say.OFF_TOPIC))
    if "identity" in turn.wants:
        parts.append(speak(say.IDENTITY))
    told = list(parts)
    if _handoff_reason(turn, quality) == "hot_lead":
        return " ".join([*(told if turn.first or "identity" in turn.wants else ()), *_facts_answer(turn, speak), speak(say.HOT)])
    parts += _acknowledge(turn, names)
    parts += _facts_answer(turn, speak)
    if rejected:
        slot, why = next(iter(rejected.items()))
        reason = "ele precisa ter 14 caracteres" if "14" in why else "os dígitos verificadores não batem"
        options = say.REJECTED.get(slot)
        if options:
            return " ".join([*parts, pick(options, turn.seed).format(why=reason)])
    if "cold" in turn.wants:
        return " ".join([*parts[: 1 if turn.first else 0], speak(say.COLD)])
    fresh = bool(_stored(turn)) or bool(
        turn.wants & (_LOOKUP | {"price", "discount", "buy", "injection", "off_topic", "greeting", "identity"})
    )
    if "bye" in turn.wants and not fresh:
        return speak(say.BYE)
    if "thanks" in turn.wants and not fresh:
        return speak(say.WELCOME)
    question = _question(turn)
    if question:
        if not parts and not turn.first and not fresh and not turn.wants & {"yes", "no"} and not declines(turn.text):
            parts.append(speak(say.NOT_UNDERSTOOD))
        return " ".join([*parts, question])
    if turn.profile.need and turn.profile.name:
        # Who asked something besides is answered; that all is written down need not be said again.
        if told and not turn.first and not _stored(turn):
            return " ".join([*told, *_facts_answer(turn, speak)])
        return " ".join([*_facts_answer(turn, speak), speak(say.COMPLETE)])
    return " ".join([*parts, speak(say.OTHER_HELP)])


def _greeting(turn: _Turn, names: dict[str, str]) -> str:
    low = fold(turn.text)
    greet = next(
        (f"{g}!" for g, f in (("Bom dia", "bom dia"), ("Boa tarde", "boa tarde"), ("Boa noite", "boa noite")) if f in low), "Olá!"
    )
    return pick(say.HELLO if turn.first else say.HELLO_AGAIN, turn.seed).format(greet=greet, **names)


def _acknowledge(turn: _Turn, names: dict[str, str]) -> list[str]:
    stored = _stored(turn)
    if "name" in stored:
        return [pick(say.NICE, turn.seed).format(**names)]
    # The lead's own words are repeated only where they cannot read as a promise of ours ("em 30 dias", "por 3 mil reais")
    spoken = {s: v for s, v in stored.items() if s == "urgency" or not _MONEY_OR_TIME.search(v)}
    told = [say.LABELS[s].format(value=v) for s, v in spoken.items() if s in {"need", "volume", "urgency", "company"}]
    if told and turn.wants.isdisjoint(_LOOKUP):
        return [pick(say.NOTED, turn.seed).format(what=" e ".join(told[:2]))]
    if stored.keys() & {"cnpj", "email", "phone", "city", "state"}:
        return [pick(say.THANKS_DATA, turn.seed)]
    return [pick(say.NO_PROBLEM, turn.seed)] if not stored and declines(turn.text) and turn.asked_now else []


def _facts_answer(turn: _Turn, speak: Any) -> list[str]:
    """What was asked: prices and conditions are referred to the team, product facts are quoted with their source."""
    parts: list[str] = []
    if "discount" in turn.wants:
        parts.append(speak(say.DISCOUNT))
    elif "price" in turn.wants:
        parts.append(speak(say.PRICE))
    elif "payment" in turn.wants:
        parts.append(speak(say.PAYMENT))
    if "search_knowledge_base" in turn.done:
        quoted = quote(turn.text, turn.profile.need or "", turn.done["search_knowledge_base"])
        if quoted:
            parts.append(quoted)
        elif not parts:
            parts.append(speak(say.UNKNOWN_FACT))
    elif not parts and turn.wants & {"delivery", "availability"}:
        parts.append(speak(say.SAFE))  # no catalogue at hand
    return parts


def quote(question: str, need: str, answer: Any) -> str:
    """The sentence nearest to the question, with its source; "" when the passages do not answer it.

    Sentences with a price, a discount or a deadline are never quoted: those are for the team's formal quote.
    """
    topic = set(terms(need))
    wanted = asked(question) - topic or topic
    best: tuple[float, str, str] = (0.0, "", "")
    for row in as_rows(answer):
        title = str(row.get("title") or row.get("source") or "")
        relevance = float(row.get("score") or 0)
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", str(row.get("text", ""))):
            sentence = re.sub(r"^[\s•#*-]+|\s+$", "", sentence)
            if len(sentence) < 12 or sentence.endswith("?") or _MONEY_OR_TIME.search(sentence):
                continue
            words = set(terms(f"{title} {sentence}"))
            hits = len(wanted & words)
            if not hits and relevance < _SURE:
                continue
            value = 2 * hits + 0.5 * len(topic & words) + 2 * relevance
            if value > best[0]:
                best = (value, sentence, title)
    return f"{best[1]} (fonte: {best[2]})" if best[1] else ""


_SURE = 0.6
"""From this relevance on a passage answers although it shares no word with the question (synonyms)."""


def _safe_text(turn: _Turn) -> str:
    """After a refusal of the gate: nothing that could promise, then the next question unless one was not wanted."""
    names = _names(turn)
    text = pick(say.SAFE, turn.seed).format(**names)
    if turn.wants & {"human", "complaint"}:
        return pick(say.HUMAN, turn.seed)
    question = _question(turn)
    return f"{text} {question}".strip()


def facts_block(facts: dict[str, Any]) -> str:
    """The system message that states this turn's facts to any model."""
    return f"<turn_facts>{json.dumps(facts, ensure_ascii=False)}</turn_facts>"
