"""Reading a lead's Portuguese: which slot of the profile a message fills. Pure; validation belongs to the lead kit.

`read` returns candidates as the lead wrote them (a CNPJ with a wrong check digit too: the kit refuses it and the brain says so).
"""

from __future__ import annotations

import re

from agents.offline.text import NUMBER_WORDS, compose, fold, tidy, title
from agents.offline.words import (
    BUSINESS,
    NOT_A_NAME,
    NOT_A_PLACE,
    PRODUCTS,
    STATES,
    UNIQUE_CITIES,
    UNIT_WORDS,
)

SMALL_TALK = re.compile(
    r"\b(?:aguardo|aguardando|obrigad[oa]s?|valeu|assistente|proposta|orcamento|frete|fico|combinado|manda(?:r|m)?|envi(?:a|ar|em)|"
    r"liga(?:r|m)?|thanks|thank you|waiting|quote)\b"
)
"""What people say to whoever they talk to: no answer to the question for their company's name."""
EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
EMAIL_LIKE = re.compile(r"\S+@\S*")
CNPJ = re.compile(r"(?<![0-9a-z])[0-9a-z]{2}[. ]?[0-9a-z]{3}[. ]?[0-9a-z]{3} ?[/ ]? ?[0-9a-z]{4} ?[- ]? ?[0-9]{2}(?![0-9a-z])")
CNPJ_SAID = re.compile(
    r"\bcnpj\b(?: (?:da empresa|dela|dele|nosso))?(?: ?(?:e|:|eh|=|numero|n[o.]*))*\s*:?\s*([0-9a-z][0-9a-z./ -]{6,22}[0-9])"
)
PHONE = re.compile(r"(?<![\d.,/-])(?:\+?55[ -]?)?\(?0?([1-9]\d)\)?[ -]?(9?[ ]?\d{4})[ -]?(\d{4})(?![\d/-])")
_UF = "|".join(sorted({uf.lower() for uf in STATES.values()}))
_STATE_NAMES = "|".join(sorted((re.escape(n) for n in STATES), key=len, reverse=True))
_WORD = r"[^\W\d_][\w'’-]*"
CITY_UF = re.compile(rf"((?:{_WORD} ){{0,4}}{_WORD}) ?(?:[/,(–-] ?| )({_UF})\b\)?", re.UNICODE)
PLACE_SAID = re.compile(
    r"\b(?:sou|somos|falo|falamos|estou|estamos|to|tamo|moro|moramos|fico|fica|ficamos|aqui|entregam?|entregar|"
    r"instalar|cidade|atendem|loja|unidade|sede)"
    r"(?: (?:tambem|aqui|la|localizad[oa]s?|sediad[oa]s?))?"
    rf"(?: e)?:? (?:de|da|do|em|no|na|aqui em|aqui de|cidade de) ({_WORD}(?: {_WORD}){{0,4}})"
)
NAME_SAID = re.compile(
    rf"\b(?:meu nome e|meu nome eh|my name is|me chamo|pode me chamar de|chamo-me|nome:|(?:aqui|quem fala) (?:e|eh)(?: [oa])?|"
    rf"sou [oa]|aqui [oa])\s*({_WORD}(?: {_WORD}){{0,3}})"
)
_HERE = re.compile(rf"(?:oi|ola|bom dia|boa tarde|boa noite)?[,!. ]*({_WORD}(?: {_WORD})?) (?:aqui|falando)\b")
NAME_BARE_SOU = re.compile(rf"\bsou ({_WORD}(?: {_WORD}){{0,2}})")
COMPANY_SAID = re.compile(
    r"\b(?:(?:minha|nossa|a) empresa (?:se chama|chama|e|eh)(?: [oa])?|empresa:|(?:da|na|pela|nossa) empresa|razao "
    r"social:?|trabalho (?:na|no|para a|para o)|falo (?:da|do)|falamos (?:da|do)|represento (?:a|"
    r"o))\s+([\w&'’.-]+(?: [\w&'’.-]+){0,4})"
)
BUSINESS_NAMED = re.compile(rf"\b((?:{BUSINESS})) ([\w&'’-]+(?: [\w&'’-]+){{0,3}})")
NEED_SAID = re.compile(
    r"\b(?:preciso|precisamos|precisando|quero|queremos|queria|gostaria|procuro|procurando|procuramos|busco|"
    r"buscando|buscamos|interesse|interessad[oa]s?|interessamos|comprar|orcamento|cotacao|cotar|orcar|trocar)"
    r"(?: (?:de|em|por|um orcamento de|um orcamento para|um orcamento|uma cotacao de|comprar|cotar|orcar|saber|"
    r"trocar|adquirir|fazer|ver))*"
    r" ((?:um|uma|uns|umas|o|a|os|as|meu|minha|nosso|nossa|\d+|dois|duas|tres|quatro|cinco|seis|sete|oito|nove|"
    r"dez)? ?[^\n.,;!?]{3,80})"
)
NEED_CUT = re.compile(
    r" (?:para|pra|pro|por favor|pfv|pf|urgente|urgentemente|ate|o quanto antes|ainda|hoje|amanha|essa semana|esta "
    r"semana|este mes|esse mes|em|aqui|sou|meu nome|da empresa|e sou|e meu|com urgencia|no mes|semana que vem|mes "
    r"que vem|quanto|qual|que|voces|porque)\b"
)
NEED_EMPTY = re.compile(
    r"^(?:um |uma |o |a )?(?:cancelar.*|desistir.*|orcamento|cotacao|preco|informac\w+|saber\b.*|"
    r"falar\b.*|ajuda|atendimento|atendente|"
    r"desconto|isso|ver|mais|entender\b.*|conhecer\b.*|produto|equipamento|equipamentos|produtos)s?$"
)
VOLUME_SAID = re.compile(
    rf"\b(\d{{1,6}}(?:[.]\d{{3}})*|{'|'.join(NUMBER_WORDS)}) (?:a \d+ )?((?:{UNIT_WORDS})(?: (?:por|ao|a cada|/) "
    rf"?(?:dia|mes|semana|hora|ano)| diari[oa]s| mensa(?:l|is))?)\b"
)
VOLUME_ONLY = re.compile(
    r"^(?:so |apenas |somente |uns |umas |cerca de |mais ou menos |acho que |seriam? |vao ser )*(\d{1,6}|"
    + "|".join(NUMBER_WORDS)
    + r")\b(?: (?:so|apenas|mesmo|por enquanto|inicialmente|de cada(?: um)?))?$"
)
VOLUME_WORDS = re.compile(r"\b(?:so|apenas|somente) (?:um|uma)\b")
URGENCY_SAID = re.compile(
    r"\b(?:(?:e |muito |bem )?urgente|urgencia|pra ontem|para ontem|o quanto antes|o mais rapido possivel|imediat\w+|com pressa|"
    r"(?:ainda |ate )?(?:hoje|amanha)|(?:nesta|nessa|esta|essa|ate o fim da|ate o final da) semana|(?:na "
    r")?(?:semana|proxima semana) que vem|(?:na )?proxima semana|"
    r"(?:neste|nesse|este|esse|ate o fim do|ate o final do) mes|mes que vem|(?:no )?proximo mes|(?:em|ate|daqui a|"
    r"dentro de|daqui|nos proximos) (?:uns |umas )?(?:\d{1,3}|" + "|".join(NUMBER_WORDS) + r") (?:dias?|semanas?|mes(?:es)?|anos?)|"
    r"ate (?:o )?dia \d{1,2}(?:/\d{1,2})?|ate (?:segunda|terca|quarta|quinta|sexta|sabado|domingo)|ate (?:janeiro|"
    r"fevereiro|marco|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro)|"
    r"sem pressa|sem urgencia|nao (?:tenho|temos|ha|tem) pressa|nao e urgente|so (?:pesquisando|olhando|curiosidade|"
    r"dando uma olhada|sondando)|(?:estou|to) so (?:pesquisando|olhando|sondando)|apenas pesquisando|ano que vem|"
    r"proximo ano|sem prazo|sem data|futuramente|mais pra frente|para o futuro)\b"
)
REFUSAL = re.compile(
    r"\b(?:nao (?:tenho|sei|possuo|quero (?:informar|passar|dizer)|posso (?:informar|passar)|lembro|vou (?:informar|"
    r"passar)|uso)|prefiro nao|ainda nao (?:tenho|sei|abri)|sem (?:cnpj|empresa|e-?mail)|pessoa fisica|sou "
    r"autonom[oa]|nao (?:tem|ha)\b)"
)
_ASKED: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "name",
        re.compile(
            r"(?:seu nome|como (?:voce )?se chama|com quem (?:eu )?(?:falo|estou falando)|como posso te chamar|me "
            r"diz(?:er)? seu nome)"
        ),
    ),
    (
        "company",
        re.compile(
            r"(?:nome d[ao] (?:sua )?(?:empresa|negocio|estabelecimento)|qual (?:e )?(?:a )?(?:sua )?empresa|de qual "
            r"empresa|que empresa)"
        ),
    ),
    ("cnpj", re.compile(r"\bcnpj\b")),
    (
        "need",
        re.compile(
            r"(?:o que (?:voce |voces )?(?:precisa|procura|busca)|qual (?:equipamento|produto)|que equipamento|o que esta "
            r"procurando|como posso ajudar)"
        ),
    ),
    ("volume", re.compile(r"(?:quantas|quantos|quantidade|volume)")),
    ("urgency", re.compile(r"(?:para quando|pra quando|prazo|urgencia|quando (?:voce |voces )?(?:precisa|pretende))")),
    (
        "city",
        re.compile(
            r"(?:qual (?:e )?(?:a )?(?:sua )?cidade|em que cidade|em qual cidade|de qual cidade|cidade e (?:o )?estado|onde "
            r"(?:voces? )?(?:fica|esta))"
        ),
    ),
    ("state", re.compile(r"(?:qual (?:o )?estado|de qual estado|\buf\b|em que estado|cidade e (?:o )?estado)")),
    ("email", re.compile(r"e-?mail")),
    ("phone", re.compile(r"(?:telefone|celular|whatsapp) (?:para|de) contato|qual (?:o )?(?:seu )?telefone")),
)


def asked_in(text: str) -> tuple[str, ...]:
    """Slots that the questions of a message of ours ask for, whoever worded it. Only sentences that end in `?` count."""
    questions = " ".join(re.findall(r"[^?.!\n]*\?", fold(compose(text))))
    return tuple(slot for slot, pattern in _ASKED if pattern.search(questions))


def read_late(text: str, still_open: tuple[str, ...]) -> dict[str, str]:
    """A bare answer to an earlier question ("Recife", "2 unidades", "Cantina da Lia"), when it can hardly mean anything else."""
    for slot in still_open:
        found = read(text, (slot,))
        sure = {
            "volume": True,
            "state": True,
            "city": "state" in found,
            "company": re.match(BUSINESS, fold(compose(text))) is not None,
        }
        if slot in found and sure.get(slot, False):
            return found
    return {}


def declines(text: str) -> bool:
    """Whether the lead says that there is no such thing or that it will not be told."""
    return REFUSAL.search(fold(compose(text))) is not None


def declined(text: str, asked: tuple[str, ...]) -> set[str]:
    """The slots a lead declines: those it names ("não tenho CNPJ"), otherwise those just asked and left unanswered."""
    if not declines(text):
        return set()
    low = fold(compose(text))
    named = {
        slot for slot, word in (("cnpj", "cnpj"), ("email", "mail"), ("company", "empresa"), ("phone", "telefone")) if word in low
    }
    if "pessoa fisica" in low or "autonom" in low:
        named |= {"company", "cnpj"}
    return named or set(asked) - read(text, asked).keys()


def read(text: str, asked: tuple[str, ...] = ()) -> dict[str, str]:
    """Slot candidates in a lead's message. `asked` names the slots our last message asked for, so that bare answers count."""
    text = compose(text)
    low = fold(text)
    found: dict[str, str] = {}
    rest_text, rest = _contacts(text, low, asked, found)
    _place(rest_text, rest, asked, found)
    _identity(rest_text, rest, asked, found)
    _demand(rest_text, rest, asked, found)
    _bare(rest_text, rest, asked, found)
    return found


def _blank(text: str, low: str, start: int, end: int) -> tuple[str, str]:
    gap = "\n" * (end - start)  # a line break: no later pattern may reach across what was taken out
    return text[:start] + gap + text[end:], low[:start] + gap + low[end:]


def _contacts(text: str, low: str, asked: tuple[str, ...], found: dict[str, str]) -> tuple[str, str]:
    """E-mail, CNPJ and phone are taken out, so that their digits and words are not read as anything else."""
    match = EMAIL.search(low) or EMAIL_LIKE.search(low)
    if match:
        found["email"] = text[match.start() : match.end()].rstrip(".,;:!?)").lower()
        text, low = _blank(text, low, match.start(), match.end())
    match = CNPJ_SAID.search(low)
    if match and sum(c.isdigit() for c in match[1]) >= 4:
        found["cnpj"] = text[match.start(1) : match.end(1)].strip()
        text, low = _blank(text, low, match.start(), match.end())
    else:
        match = CNPJ.search(low)
        if match and (sum(c.isdigit() for c in match[0]) >= 6 or "/" in match[0]):
            found["cnpj"] = text[match.start() : match.end()].strip()
            text, low = _blank(text, low, match.start(), match.end())
        elif (
            "cnpj" in asked
            and (match := re.search(r"(?<![\w@])[0-9a-z./-]{8,20}[0-9](?!\w)", low))
            and sum(c.isdigit() for c in match[0]) >= 6
        ):
            found["cnpj"] = match[0]  # too short or too long: the kit says why
            text, low = _blank(text, low, match.start(), match.end())
    match = PHONE.search(low)
    if match:
        found["phone"] = match[0].strip()
        text, low = _blank(text, low, match.start(), match.end())
    return text, low


def _place(text: str, low: str, asked: tuple[str, ...], found: dict[str, str]) -> None:
    # "para" is the commonest preposition and, with its accent, a state: only the accented spelling names the state
    low = "".join(
        "\n" if text[i : i + 4].lower() == "para" or text[i - 3 : i + 1].lower() == "para" else c for i, c in enumerate(low)
    )
    for match in CITY_UF.finditer(low):
        separated = not match[0][len(match[1]) :].startswith(" ") or match[0][len(match[1]) :].strip()[:1] in "/,(-–"
        uf_raw = text[match.start(2) : match.end(2)]
        if not separated and not uf_raw.isupper():
            continue  # "a", "to", "se", "pa" and the like are words too: without a mark between only capitals name a state
        city = _trim_place(text[match.start(1) : match.end(1)])
        if city:
            found["city"], found["state"] = city, match[2].upper()
            return
    start = r"(?:^|\b(?:em|de|no|na|do|da|cidade|aqui|sou) )" if "city" in asked else r"\b(?:em|de|no|na|do|da|cidade|aqui|sou) "
    if match := re.search(
        rf"{start}({_WORD}(?: {_WORD}){{0,3}}?),? (?:n[oa]|d[oae]|em|estado d[oae])? "
        rf"?({_STATE_NAMES})\b",
        low,
    ):
        city = _trim_place(text[match.start(1) : match.end(1)])
        if city and fold(city) not in NOT_A_PLACE:
            found["city"], found["state"] = city, STATES[match[2]]
            return
    said = PLACE_SAID.search(low)
    if said:
        city = _trim_place(text[said.start(1) : said.end(1)])
        if city:
            if fold(city) in STATES and fold(city) not in UNIQUE_CITIES:
                found["state"] = STATES[fold(city)]
            else:
                found["city"] = city
    if "city" not in found:
        for known in UNIQUE_CITIES:
            if match := re.search(rf"\b(?:em|de|para|pra) {known}\b", low):
                found["city"] = title(text[match.start() + match[0].index(" ") + 1 : match.end()])
                break
    if "city" not in found and "city" in asked and not URGENCY_SAID.search(low) and not BUSINESS_NAMED.match(low):
        line = next((tidy(part) for part in re.split(r"[\n,;.!]", text) if tidy(part)), "")
        city = _trim_place(
            re.sub(r"(?i)^(?:é |eh |fica |ficamos |sou |somos |estamos |moro |aqui )*(?:em |de |na |no |da |do )?", "", line)
        )
        if city and len(city.split()) <= 4 and not declines(line) and not any(c.isdigit() for c in city) and "?" not in text:
            folded = fold(city)
            if folded in STATES and folded not in UNIQUE_CITIES:
                found["state"] = STATES[folded]
            elif folded.upper() in STATES.values():
                found["state"] = folded.upper()
            else:
                found["city"] = city
    if "state" not in found and ("state" in asked or "city" in asked):
        if match := re.search(rf"\b({_STATE_NAMES})\b", low):
            found["state"] = STATES[match[1]]
        elif (match := re.search(rf"(?:^|\s)({_UF})[\s.,!]*$", low)) and len(low) < 40:
            found["state"] = match[1].upper()
    if "city" in found and "state" not in found and fold(found["city"]) in UNIQUE_CITIES:
        found["state"] = UNIQUE_CITIES[fold(found["city"])]


def _trim_place(raw: str) -> str:
    """The place itself: cut before words that belong to the sentence, after the last preposition that led to it."""
    words = tidy(raw).split()
    while words and fold(words[0]) in NOT_A_PLACE:
        words.pop(0)
    lead = max((i for i, w in enumerate(words[:-1]) if fold(w) in {"em", "cidade"}), default=-1)
    words = words[lead + 1 :]
    while words and fold(words[0]) in NOT_A_PLACE | {"de", "da", "do", "no", "na", "e", "o", "a"}:
        words.pop(0)
    kept: list[str] = []
    for word in words:
        if fold(word) in NOT_A_PLACE:
            break
        kept.append(word)
    while kept and fold(kept[-1]) in {"de", "da", "do", "e", "no", "na", "o", "a"}:
        kept.pop()
    place = " ".join(kept)
    return title(place) if len(place) >= 3 and fold(place) not in {"bom", "boa"} and not any(c.isdigit() for c in place) else ""


def _identity(text: str, low: str, asked: tuple[str, ...], found: dict[str, str]) -> None:
    match = NAME_SAID.search(low)
    if (
        (match and (name := _name(text[match.start(1) : match.end(1)])))
        or (
            (match := NAME_BARE_SOU.search(low))
            and text[match.start(1)].isupper()
            and (name := _name(text[match.start(1) : match.end(1)]))
        )
        or ((match := _HERE.match(low)) and (name := _name(text[match.start(1) : match.end(1)])))
    ):
        found["name"] = name
    match = COMPANY_SAID.search(low)
    if match and (company := _company(text[match.start(1) : match.end(1)])):
        found["company"] = company
        return
    for match in BUSINESS_NAMED.finditer(low):
        tail = text[match.start(2) : match.end(2)]
        own = re.sub(r"^d[ao]s? ", "", tail)  # "Cantina da Lia" is a name, "padaria do Recife" a place
        if own[:1].isupper() and fold(own) not in UNIQUE_CITIES and fold(own) not in STATES and (company := _company(tail)):
            found["company"] = title(text[match.start(1) : match.end(1)]) + " " + company
            return
    if (
        match := re.search(r"\b(?:da|do|na|no) ([A-ZÀ-Ý][\w&'’-]+(?: (?:[A-ZÀ-Ý&][\w&'’-]*|de|da|do|e))*)", text)
    ) and "name" in found:
        company = _company(match[1])
        place = fold(found.get("city", ""))
        if company and fold(company) != place and fold(company) not in UNIQUE_CITIES and fold(company) not in STATES:
            found["company"] = company


def _name(raw: str) -> str:
    words: list[str] = []
    for word in raw.split():
        if fold(word) in NOT_A_NAME and not (words and fold(word) in {"de", "da", "do", "dos", "das"}):
            break
        words.append(word)
    for i, word in enumerate(words):
        # "Ana da Padaria Sol": a small word followed by a business starts the company, not the surname
        if (
            i
            and fold(word) in {"da", "do", "de"}
            and (
                i + 1 >= len(words)
                or re.fullmatch(BUSINESS, fold(words[i + 1]))
                or (fold(word) == "da" and words[i + 1 : i + 2] and len(words) == i + 2 and i == 1 and words[i + 1][:1].isupper())
            )
        ):
            words = words[:i]
            break
    name = tidy(" ".join(words))
    return title(name) if len(name) >= 2 else ""


def _company(raw: str) -> str:
    words: list[str] = []
    for word in raw.split():
        if (
            fold(word.strip(".,;"))
            in {
                "e",
                "em",
                "aqui",
                "que",
                "preciso",
                "quero",
                "sou",
                "meu",
                "para",
                "pra",
                "com",
                "cnpj",
                "estamos",
                "fica",
                "procuro",
                "precisamos",
                "queremos",
                "gostaria",
                "queria",
            }
            and words
        ):
            break
        words.append(word)
        if word[-1] in ",;!?":
            break
    company = tidy(" ".join(words))
    folded = fold(company)
    return (
        ""
        if len(company) < 2
        or folded in NOT_A_NAME
        or folded.split()[0] in {"pequeno", "grande", "e", "que", "nao", "sim", "nova", "novo", "esta"}
        else company
    )


def _demand(text: str, low: str, asked: tuple[str, ...], found: dict[str, str]) -> None:
    product = _products(text, low)
    said = NEED_SAID.search(low)
    if product:
        found["need"] = product
    elif said:
        raw = " " + text[said.start(1) : said.end(1)].lstrip()  # so that "queremos pra mês que vem" names no need at all
        cut = NEED_CUT.search(fold(raw))
        need = tidy(raw[: cut.start()] if cut else raw)
        need = re.sub(r"(?i)^(?:um|uma|uns|umas|o|a|os|as|de|\d+|dois|duas|três)\s+", "", need)
        if len(need) >= 3 and not NEED_EMPTY.match(fold(need)) and not URGENCY_SAID.fullmatch(fold(need)):
            found["need"] = need
    for match in VOLUME_SAID.finditer(low):
        if _is_duration(match[2]) or match[1] in {"um", "uma"}:  # "um forno" is an article more often than a count
            continue
        found["volume"] = text[match.start() : match.end()]
        break
    if "volume" not in found and VOLUME_WORDS.search(low) and ("volume" in asked or product):
        found["volume"] = "1"
    if match := URGENCY_SAID.search(low):
        found["urgency"] = text[match.start() : match.end()].strip()


_PRODUCT_DETAIL = re.compile(
    r"(?: (?:industrial|combinado|profissional|inox|vertical|horizontal|eletric[oa]|a gas|de \d+ \w+|"
    r"\d+ (?:bocas|litros|gn|kg|portas|cubas|gavetas)))+"
)


def _products(text: str, low: str) -> str:
    """Every piece of equipment named, in the order of the message: "coifa e fogão industrial 6 bocas"."""
    spans: list[tuple[int, int]] = []
    for pattern in PRODUCTS:
        for match in re.finditer(rf"\b{pattern}\b", low):
            if any(match.start() < end and start < match.end() for start, end in spans):
                continue  # "forno" inside "forno combinado"
            detail = _PRODUCT_DETAIL.match(low, match.end())
            spans.append((match.start(), detail.end() if detail else match.end()))
    named = list(dict.fromkeys(text[start:end].strip() for start, end in sorted(spans)))
    return " e ".join(named[:4])


def _is_duration(unit: str) -> bool:
    return unit.split()[0] in {"dia", "dias", "mes", "meses", "ano", "anos", "semana", "semanas"}


def _bare(text: str, low: str, asked: tuple[str, ...], found: dict[str, str]) -> None:
    """Answers without a verb ("Maria Souza", "Padaria Sol", "3") count only for what was asked."""
    line = re.sub(
        r"(?i)^(?:oi|olá|ola|bom dia|boa tarde|boa noite|sim|claro|ok|certo|beleza|pode ser|é|eh)[,!. ]+",
        "",
        tidy(text.split("\n")[0]),
    )
    folded = fold(line)
    if not line or re.search(r"[?{}<>\[\]\"]", text) or declines(text):
        return
    if "name" in asked and "name" not in found and (name := _bare_name(line, found)):
        found["name"] = name
    wants_company = "company" in asked and "company" not in found and "name" not in asked and not {"need", "urgency"} & found.keys()
    told_off = fold(line) in NOT_A_NAME | {fold(found.get("city", ""))} or SMALL_TALK.search(folded)
    if wants_company and len(line.split()) <= 6 and not told_off:
        company = _company(re.sub(r"(?i)^(?:a |o |é a |é o |se chama |chama )", "", line))
        if company:
            found["company"] = company
    if "volume" in asked and "volume" not in found and (match := VOLUME_ONLY.match(folded)):
        found["volume"] = match[1]
    wants_need = "need" in asked and not {"need", "city", "name", "company"} & found.keys()
    wish = re.sub(r"^(?:eu )?(?:quero|queria|preciso|gostaria|procuro)(?: de)? ", "", folded)
    if wants_need and len(line.split()) <= 8 and not NEED_EMPTY.match(wish) and not set(folded.split()) <= NOT_A_NAME:
        found["need"] = line


def _bare_name(line: str, found: dict[str, str]) -> str:
    first = tidy(re.split(r"[,;]| da empresa | do | da ", line)[0])
    if not 1 <= len(first.split()) <= 4 or any(c.isdigit() for c in first):
        return ""
    name = _name(first)
    taken = {fold(found.get("city", "")), fold(found.get("need", ""))}
    whole = name and len(name.split()) == len(first.split())
    return name if whole and fold(name) not in taken and fold(name).split()[0] not in NOT_A_NAME else ""
