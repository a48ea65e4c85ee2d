"""The words of the lead personas and of the salesperson: Brazilian Portuguese as it is typed on a phone."""

from __future__ import annotations

import random
import re
import unicodedata

NEEDS = (
    ("forno combinado", "Forno combinado 10 GNs"),
    ("fogão industrial", "Fogão industrial 6 bocas"),
    ("bancada inox", "Bancada de inox sob medida"),
    ("coifa", "Coifa industrial com exaustor"),
    ("fritadeira", "Fritadeira elétrica de imersão"),
    ("freezer", "Freezer vertical"),
    ("câmara fria", "Câmara fria modular"),
    ("lava-louças", "Lava-louças de capota"),
)
"""What leads look for: the word they use and the ad's title."""

FIRST_NAMES = (
    "Rute",
    "Edvaldo",
    "Marlene",
    "Jonas",
    "Tainá",
    "Cleber",
    "Ivone",
    "Renan",
    "Sueli",
    "Otávio",
    "Priscila",
    "Wagner",
    "Noemi",
    "Davi",
    "Lúcia",
    "Fábio",
    "Graziele",
    "Hugo",
    "Bianca",
    "Nivaldo",
)
LAST_NAMES = (
    "Lima",
    "Tavares",
    "Quadros",
    "Bezerra",
    "Fontes",
    "Moraes",
    "Pires",
    "Salgado",
    "Viana",
    "Coelho",
    "Brandão",
    "Rezende",
)
COMPANY_KINDS = ("Restaurante", "Churrascaria", "Pizzaria", "Padaria", "Hotel", "Cozinha Industrial", "Grupo", "Buffet")
COMPANY_NAMES = (
    "Sabor da Serra",
    "Dois Irmãos",
    "Fogo Alto",
    "Vila Nova",
    "Bom Prato",
    "Recanto",
    "Três Coqueiros",
    "Estação",
    "Mirante",
    "Dom Aldo",
)

GREETINGS = ("oi", "Oi, tudo bem?", "Olá", "opa, boa tarde", "Bom dia", "oii", "boa tarde")
OPENINGS = {
    "hot": ("Vi o anúncio de {need} de vcs", "preciso de orçamento de {need}", "quero comprar {volume} {need} pra nossa rede"),
    "warm": ("vi um anúncio de {need}", "vocês trabalham com {need}?", "queria saber mais sobre {need}"),
    "cold": ("vi o anúncio aí", "isso é {need}?", "oi só queria saber como funciona esse {need}"),
}
FACTS = {
    "name": ("{name}", "meu nome é {name}", "aqui é {article} {name}", "pode me chamar de {name}"),
    "company": ("{company}", "é a empresa {company}", "sou da {company}", "a empresa se chama {company}"),
    "cnpj": ("{cnpj_masked}", "CNPJ {cnpj_masked}", "{cnpj}", "segue o cnpj: {cnpj_spaced}"),
    "city": ("{town}/{uf}", "{town} - {uf}", "a gente fica em {town}, {uf}", "{town} {uf}"),
    "town": ("{town}", "é em {town}", "fica em {town}"),
    "uf": ("{uf}", "é {uf}", "{town}/{uf}"),
    "volume": ("{volume} unidades", "umas {volume} unidades", "{volume} unidades pra começar", "precisamos de {volume} unidades"),
    "urgency": ("{urgency}", "a gente precisa {urgency}", "o ideal seria {urgency}"),
    "need": ("{need}", "é {need} mesmo", "estou procurando {need}", "preciso de {need}"),
    "email": ("{email}", "meu email é {email}", "pode mandar em {email}"),
    "phone": ("é esse número mesmo", "pode ser nesse whats"),
}
URGENCIES = {
    "hot": ("até o fim do mês", "em 20 dias, inauguramos uma loja nova", "essa semana se der", "urgente, o nosso quebrou"),
    "warm": ("sem pressa, talvez mês que vem", "daqui uns 60 dias", "ainda não sei, acho que ano que vem"),
    "cold": ("sem pressa", "não tenho data não"),
}
LATER = {
    "cnpj": ("o cnpj te passo depois", "precisa do cnpj agora?", "não tenho o cnpj aqui comigo"),
    "email": ("depois te mando o email", "pode ser por aqui mesmo"),
    "company": ("é um restaurante pequeno", "ainda tô abrindo o negócio"),
    "volume": ("não sei ainda, depende do preço", "1 ou 2, tô vendo"),
    "urgency": ("não defini ainda",),
    "city": ("interior",),
    "name": ("prefiro ver primeiro como funciona",),
}
COLD_REPLIES = (
    "só tava curioso mesmo",
    "não tenho empresa não",
    "quanto custa mais ou menos?",
    "é caro né",
    "era pra minha casa",
    "ah entendi",
)
REPEATED = ("já falei", "já passei isso aí em cima", "tá aí em cima, não viu?")
CONFUSED = ("não entendi", "como assim?", "pode explicar melhor?", "??")
CONFIRM = ("isso mesmo", "isso", "correto", "exato, pode seguir")
ASK_HUMAN = (
    "Quero falar com um vendedor, por favor",
    "consegue me passar pra um atendente?",
    "prefiro fechar com um consultor de vcs, me chama aqui",
)
THANKS = ("ok, obrigado!", "perfeito, fico no aguardo", "blz, valeu", "obrigada 🙏", "combinado")
LEAVING = {
    "hot": ("Obrigado, aguardo o orçamento então", "fechado, qualquer coisa me chama"),
    "warm": ("vou ver com meu sócio e te retorno, obrigado", "legal, vou pensar e qualquer coisa chamo"),
    "cold": ("era só pra saber mesmo, obrigado", "deixa, valeu", "ok obrigado"),
}
NUDGE = ("oi? alguém aí?", "?", "oi, conseguiram ver minha mensagem?")
STOP = ("PARAR", "parar", "Sair")
COMPLAINT = "já pedi pra parar de mandar mensagem"
TO_HUMAN = (
    "Oi {agent}! Pode mandar a proposta sim",
    "isso, preciso do orçamento com frete",
    "consegue me ligar amanhã cedo?",
    "ok, fico no aguardo {agent}",
)
SLOW = ("desculpa a demora", "tava na correria aqui", "voltei")

SALES_HELLO = (
    "Oi {name}, aqui é {article} {agent}, do time de vendas.",
    "Olá {name}! {agent} falando, vou cuidar do seu atendimento.",
)
SALES_MORE = (
    "Já vi aqui o que você precisa. Te mando a proposta ainda hoje, pode ser?",
    "Posso te ligar para confirmar as medidas?",
    "Qual o melhor horário para a gente conversar?",
)
SALES_REPLY = (
    "Perfeito, já estou preparando a proposta.",
    "Combinado! Qualquer dúvida estou por aqui.",
    "Anotado, obrigado pelo retorno.",
)

# what a text of ours asks for, in the order in which a person would answer
_ASKS: tuple[tuple[str, str], ...] = (
    ("name", r"seu nome|como (voce )?se chama|com quem (eu )?(falo|estou falando)|te chamar"),
    (
        "need",
        r"(qual|que|quais) (o )?(equipamento|produto|item|maquina)|o que (voce |vc )?(procura|precisa|busca)"
        r"|posso (te )?ajudar|necessidade|interesse",
    ),
    ("company", r"(a sua|da sua|sua|qual a|nome da) empresa|razao social|estabelecimento|nome do (seu )?(restaurante|negocio)"),
    ("cnpj", r"cnpj"),
    ("volume", r"quant[ao]s|quantidade|volume|unidades"),
    ("uf", r"(qual|de que|em que|em qual|de qual) (o )?(estado|uf)\b|\buf\b|qual estado"),
    ("city", r"cidade|municipio|onde (fica|sera|vai)|qual (a )?(sua )?regiao|local de entrega|localizacao"),
    ("urgency", r"prazo|urgen|para quando|pra quando|quando (voce|vc|precisa|pretende)|previsao|data"),
    ("email", r"e-?mail"),
    ("phone", r"telefone|numero para contato|melhor numero"),
    ("confirm", r"esta correto|esta certo|confirma|correto\?|certo\?|posso (seguir|prosseguir)|tudo certo"),
)


def fold(text: str) -> str:
    """Lower case without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def asked(text: str) -> list[str]:
    """What a text of the seller asks for, in answering order. Only sentences that ask count: a "?" or a request."""
    sentences = re.split(r"(?<=[.!\n])\s+", fold(text))
    asking = " ".join(
        s for s in sentences if "?" in s or re.search(r"\b(me (passa|informa|diz|envia)|informe|envie|poderia|preciso d[oa])", s)
    )
    found = [topic for topic, pattern in _ASKS if re.search(pattern, asking)]
    if "city" in found and "uf" in found and re.search(r"cidade|municipio", asking):
        found.remove("uf")
    return found


def closing(text: str) -> bool:
    """Whether a text of the seller ends the matter: somebody will get in touch, or goodbye."""
    return bool(
        re.search(
            r"consultor|nossa equipe|nosso time|entrar(a|emos|ao)? em contato|encaminh|passar (a conversa|voce)"
            r"|ate (logo|mais|breve)|disposicao",
            fold(text),
        )
    )


def from_human(text: str) -> str | None:
    """The salesperson's name when a text introduces one. An assistant that says what it is is nobody's name."""
    match = re.search(r"aqui e (?:o|a) (?!assistente|atendente|atendimento|robo|bot\b)(\w+)|(\w+) falando", fold(text))
    return None if match is None else (match.group(1) or match.group(2)).title()


def as_typed(rng: random.Random, text: str, careless: float) -> str:
    """A text as a hurried thumb types it: now and then no accents, two letters swapped, a missing capital. Never in facts."""
    if rng.random() < careless:
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    if rng.random() < careless / 2:
        words = [m for m in re.finditer(r"\b[a-zà-ú]{6,}\b", text)]
        if words:
            word = rng.choice(words)
            at = word.start() + rng.randrange(1, len(word.group()) - 2)
            text = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    lower = rng.random() < careless and not text.isupper()
    return text[:1].lower() + text[1:] if lower else text
