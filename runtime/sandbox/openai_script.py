"""The scripted assistant behind the OpenAI twin: deterministic, Portuguese, slot by slot.

It reads the messages and the tool schemas it is given and nothing else: slots seen in the lead's words become arguments of whatever
tool has properties with such names; then it asks for the next missing slot. It knows no tool of the product by heart.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from runtime.sandbox.towns import HOMONYMS, TOWNS

_ALIASES: dict[str, tuple[str, ...]] = {
    "name": ("name", "nome", "person_name", "contact_name", "full_name", "lead_name"),
    "company": ("company", "empresa", "company_name", "razao_social"),
    "cnpj": ("cnpj",),
    "need": ("need", "necessidade", "product", "produto", "interest", "interesse", "item"),
    "volume": ("volume", "quantity", "quantidade", "qty"),
    "urgency": ("urgency", "urgencia", "prazo", "deadline"),
    "city": ("city", "cidade", "municipio"),
    "uf": ("uf", "state", "estado"),
    "email": ("email", "e_mail", "mail"),
    "phone": ("phone", "telefone", "whatsapp", "celular"),
}
_QUESTIONS = {
    "need": "Qual equipamento você procura?",
    "company": "Qual é o nome da sua empresa?",
    "cnpj": "Você pode me passar o CNPJ da empresa?",
    "volume": "Quantas unidades você precisa?",
    "city": "Em qual cidade e estado (UF) fica a entrega?",
    "uf": "Em qual estado (UF) fica essa cidade?",
    "urgency": "Para quando você precisa?",
    "email": "Qual é o melhor e-mail para enviar o orçamento?",
    "name": "Como você se chama?",
}
_NEEDS = (
    "forno combinado",
    "fogao industrial",
    "bancada",
    "coifa",
    "fritadeira",
    "geladeira",
    "freezer",
    "camara fria",
    "pia inox",
    "chapa",
    "seladora",
    "lava-loucas",
    "lava loucas",
    "processador",
    "batedeira",
    "mesa inox",
    "balcao refrigerado",
)
_UFS = {
    "AC",
    "AL",
    "AP",
    "AM",
    "BA",
    "CE",
    "DF",
    "ES",
    "GO",
    "MA",
    "MT",
    "MS",
    "MG",
    "PA",
    "PB",
    "PR",
    "PE",
    "PI",
    "RJ",
    "RN",
    "RS",
    "RO",
    "RR",
    "SC",
    "SP",
    "SE",
    "TO",
}
_HUMAN = ("atendente", "humano", "vendedor", "falar com uma pessoa", "falar com alguem", "consultor")
_STOP = {"parar", "pare", "sair", "stop", "descadastrar"}


def fold(text: str) -> str:
    """Lower case without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def slots(text: str) -> dict[str, str]:
    """What a lead's words say, by slot."""
    found: dict[str, str] = {}
    plain = fold(text)
    cnpj = re.search(r"(?i)(?<![0-9A-Z])[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}[/ ]?[0-9A-Z]{4}-?\d{2}(?![0-9A-Z])", text)
    if cnpj and sum(c.isdigit() for c in cnpj.group()) >= 6:
        found["cnpj"] = re.sub(r"[^0-9A-Z]", "", cnpj.group().upper())
    email = re.search(r"[\w.+-]+@[\w-]+\.[\w.-]*\w", text)
    if email:
        found["email"] = email.group().lower()
    need = next((word for word in _NEEDS if word in plain), None)
    if need:
        found["need"] = need
    amount = re.search(
        r"\b(\d{1,4})\s*(?:unidades?|un\b|pecas?|lojas?|" + "|".join(re.escape(n.split()[0]) for n in _NEEDS) + ")", plain
    )
    if amount:
        found["volume"] = amount.group(1)
    for town in sorted(TOWNS, key=lambda t: -len(t.name)):
        place = re.search(rf"(?<![\w])({re.escape(fold(town.name))})(?:\s*[/,\-(]\s*|\s+)?([a-z]{{2}})?(?![\w])", plain)
        if place:
            found["city"] = town.name
            if place.group(2) and place.group(2).upper() in _UFS:
                found["uf"] = place.group(2).upper()
            elif town.name not in HOMONYMS:
                found["uf"] = town.uf
            break
    alone = re.fullmatch(r"(?:e |é |fica (?:em|no|na) )?([a-zA-Z]{2})[.!]?", text.strip())
    if alone and alone.group(1).upper() in _UFS:
        found["uf"] = alone.group(1).upper()
    name = re.search(r"(?:me chamo|meu nome e|aqui e o|aqui e a|sou o|sou a)\s+([a-z]+(?: [a-z]+)?)", plain)
    if name:
        found["name"] = name.group(1).title()
    company = re.search(
        r"(?i:empresa (?:é|e|se chama)|sou d[aeo]|trabalho n[ao]|falo d[aeo]|aqui é d[aeo])\s+"
        r"((?:(?:d[aeo]s?|e|&)\s+|[A-ZÀ-Ú0-9][\wÀ-ú&'.]*\s*)+)",
        text,
    )
    if company:
        found["company"] = company.group(1).strip(" .,")
    if re.search(
        r"urgente|essa semana|esta semana|pra ontem|ate (?:o )?(?:dia|fim|final)|mes que vem|\d+ dias|sem pressa|inauguramos"
        r"|semana que vem",
        plain,
    ):
        found["urgency"] = text.strip()[:120]
    return found


def _texts(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/"):
        node: Any = root
        for part in ref[2:].split("/"):
            node = node[part]
        return _resolve(node, root)
    for choice in schema.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolve(choice, root)
    return schema


def _fill(schema: dict[str, Any], root: dict[str, Any], known: dict[str, str]) -> dict[str, Any]:
    """The schema's properties that the known slots can fill, nested objects included."""
    filled: dict[str, Any] = {}
    for name, raw in schema.get("properties", {}).items():
        part = _resolve(raw, root)
        if part.get("type") == "object" or "properties" in part:
            inner = _fill(part, root, known)
            if inner:
                filled[name] = inner
            continue
        slot = next((slot for slot, names in _ALIASES.items() if name.lower() in names), None)
        if slot is None or slot not in known:
            continue
        value: Any = known[slot]
        if part.get("type") in ("integer", "number"):
            if not value.isdigit():
                continue
            value = int(value)
        if "enum" in part and value not in part["enum"]:
            continue
        filled[name] = value
    return filled


def _sample(schema: dict[str, Any], root: dict[str, Any], known: dict[str, str], text: str) -> Any:
    """A value that satisfies a schema, from known slots where names match. For forced tools and structured answers."""
    part = _resolve(schema, root)
    if "default" in part:
        return part["default"]
    if "enum" in part:
        return part["enum"][0]
    kind = part.get("type")
    if kind == "object" or "properties" in part:
        filled = _fill(part, root, known)
        required = part.get("required", list(part.get("properties", {})))
        return {
            name: filled.get(name, _sample(part["properties"][name], root, known, text))
            for name in part.get("properties", {})
            if name in required or name in filled
        }
    if kind == "array":
        return []
    if kind in ("integer", "number"):
        return part.get("minimum", 0)
    if kind == "boolean":
        return False
    return text[: part.get("maxLength", 200)]


_BARE = ("company", "name", "urgency", "need", "volume")
_NOT_AN_ANSWER = re.compile(
    r"\?|depois|desculpa|voltei|correria|ja (falei|passei)|^(oi|ola|ok|bom dia|boa tarde)\b|obrigad|nao (sei|tenho|entendi)"
)


def _is_answer(slot: str, line: str) -> bool:
    plain = fold(line)
    if not 2 <= len(plain.strip()) <= 80 or (slot != "urgency" and _NOT_AN_ANSWER.search(plain)):
        return False
    return slot != "volume" or any(c.isdigit() for c in plain)


class Turn:
    """One request read: what the lead said since our last words, what is known, which tools were already used."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.messages: list[dict[str, Any]] = body["messages"]
        self.tools = [tool["function"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
        spoke = [i for i, m in enumerate(self.messages) if m["role"] == "assistant" and not m.get("tool_calls")]
        start = spoke[-1] + 1 if spoke else 0
        fresh = self.messages[start:]
        self.said = "\n".join(_texts(m) for m in fresh if m["role"] == "user")
        self.used = {call["function"]["name"] for m in fresh for call in m.get("tool_calls") or []}
        self.fresh_slots = self._slots(m for m in fresh if m["role"] == "user")
        self.first = not any(m["role"] == "assistant" for m in self.messages)
        self.known = self._slots(m for m in self.messages if m["role"] == "user")
        self._bare_answers(start)
        for message in self.messages:
            for call in message.get("tool_calls") or []:
                self._remember(call["function"].get("arguments") or "{}")

    @staticmethod
    def _slots(messages: Any) -> dict[str, str]:
        found: dict[str, str] = {}
        for message in messages:
            for line in _texts(message).splitlines():
                found.update(slots(line))
        return found

    def _bare_answers(self, start: int) -> None:
        """A short answer right after our question is the answer even where no pattern sees it ("Mirante", to "which company?")."""
        wanted: str | None = None
        for index, message in enumerate(self.messages):
            if message["role"] == "assistant" and not message.get("tool_calls"):
                text = _texts(message)
                wanted = next((slot for slot in _BARE if text.endswith(_QUESTIONS[slot])), None)
            elif message["role"] == "user" and wanted is not None and wanted not in self.known:
                for line in _texts(message).splitlines():
                    if _is_answer(wanted, line):
                        self.known[wanted] = line.strip(" .")
                        if index >= start:
                            self.fresh_slots[wanted] = self.known[wanted]
                        break

    def _remember(self, arguments: str) -> None:
        try:
            values = json.loads(arguments)
        except ValueError:
            return
        flat: dict[str, Any] = {}
        for name, value in values.items() if isinstance(values, dict) else ():
            flat.update(value if isinstance(value, dict) else {name: value})
        for slot, names in _ALIASES.items():
            given = next((flat[n] for n in names if flat.get(n)), None)
            if given is not None:
                self.known.setdefault(slot, str(given))


def answer(body: dict[str, Any]) -> tuple[str | None, list[dict[str, str]]]:
    """The reply to a chat-completions request: (text, []) or (None, [{"name", "arguments"}])."""
    turn = Turn(body)
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        forced = choice["function"]["name"]
        tool = next(tool for tool in turn.tools if tool["name"] == forced)
        if forced not in turn.used:
            return None, [
                _call(
                    tool, _sample(tool.get("parameters") or {"type": "object"}, tool.get("parameters") or {}, turn.known, turn.said)
                )
            ]
    elif choice != "none":
        calls = _calls(turn)
        if not calls and choice == "required" and turn.tools:
            tool = turn.tools[0]
            calls = [
                _call(
                    tool, _sample(tool.get("parameters") or {"type": "object"}, tool.get("parameters") or {}, turn.known, turn.said)
                )
            ]
        if calls:
            return None, calls
    shape = body.get("response_format") or {}
    if shape.get("type") == "json_schema":
        schema = shape["json_schema"]["schema"]
        return json.dumps(_sample(schema, schema, turn.known, turn.said), ensure_ascii=False), []
    if shape.get("type") == "json_object":
        return json.dumps(turn.known, ensure_ascii=False), []
    return _reply(turn), []


def _call(tool: dict[str, Any], arguments: dict[str, Any]) -> dict[str, str]:
    return {"name": tool["name"], "arguments": json.dumps(arguments, ensure_ascii=False)}


def _calls(turn: Turn) -> list[dict[str, str]]:
    calls: list[dict[str, str]] = []
    plain = fold(turn.said)
    for tool in turn.tools:
        name, schema = fold(tool["name"]), tool.get("parameters") or {}
        if tool["name"] in turn.used:
            continue
        if re.search(r"handoff|hand_off|transfer|escalat|human|atendente", name):
            if any(word in plain for word in _HUMAN):
                calls.append(_call(tool, _sample({**schema, "type": "object"}, schema, turn.known, turn.said)))
            continue
        if re.search(r"search|knowledge|catalog|busca", name):
            if "?" in turn.said and not turn.fresh_slots:
                calls.append(_call(tool, {field: turn.said for field in schema.get("required", ["query"])[:1]}))
            continue
        if re.search(r"update|save|registr|atualiz|qualif|set_lead|upsert", name):
            arguments = _fill(schema, schema, turn.fresh_slots)
            if arguments:
                calls.append(_call(tool, arguments))
    return calls


def _reply(turn: Turn) -> str:
    plain = fold(turn.said).strip(" .!")
    if plain in _STOP:
        return "Tudo bem, não envio mais mensagens por aqui. Se precisar, é só chamar."
    if any(word in plain for word in _HUMAN):
        return "Claro! Vou passar a conversa para uma pessoa do nosso time de vendas."
    missing = [slot for slot in _QUESTIONS if slot not in turn.known]
    leaving = re.search(r"\b(valeu|obrigad[oa]|te retorno|vou pensar|so pra saber|chamo)\b", plain)
    if leaving and not turn.first and not turn.fresh_slots:
        return "Eu que agradeço! Quando quiser, é só chamar por aqui. Até mais!"
    greeting = "Olá! Sou o assistente virtual da equipe de vendas. " if turn.first else "Obrigado! " if turn.fresh_slots else ""
    if not missing:
        return f"{greeting}Já tenho o que preciso; um consultor vai preparar o orçamento e falar com você."
    # one question at a time; the state of a homonym town is asked before anything else
    slot = "uf" if "city" in turn.known and "uf" in missing else missing[0]
    return greeting + _QUESTIONS[slot]
