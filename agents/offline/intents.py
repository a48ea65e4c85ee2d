"""What a lead wants with a message, beside the facts it tells. Pure pattern matching over folded Portuguese."""

from __future__ import annotations

import re
from typing import Literal

from agents.offline.text import compose, fold
from knowledge.domain import brazil

Intent = Literal[
    "greeting", "price", "discount", "delivery", "availability", "payment", "human", "opt_out", "opt_out_unsure", "erasure",
    "off_topic",     "thanks", "bye", "injection", "identity", "question", "buy", "cold", "yes", "no", "audio", "complaint",
]  # fmt: skip

AUDIO_MARK = "[áudio sem transcrição]"
"""What the ingestion writes in place of a voice note that could not be transcribed."""

_PATTERNS: tuple[tuple[Intent, str], ...] = (
    ("greeting", r"^\W*(?:oi+e?|ola+|opa|bom dia|boa tarde|boa noite|e ai|eai|salve|alo)\b"),
    ("price", r"\b(?:quanto (?:custa|fica|sai|e|ta|esta|vale|cobram|seria|eh)|qual (?:e )?o (?:preco|valor|custo)|precos?|"
r"valor(?:es)?|tabela|custa|orcamento|cotacao)\b"),
    ("discount", r"\b(?:descontos?|abatimento|mais barato|melhor preco|faz(?:em)? por|negociar|promocao|cupom|ta caro|muito caro|"
r"caro demais|\d+ ?%)"),
    ("delivery", r"\b(?:entrega[mr]?|entregas|frete|prazo de entrega|quanto tempo (?:demora|leva)|chega (?:em|quando)|envia[mr]?|"
r"transportadora|instala(?:cao|m|r))\b"),
    ("availability", r"\b(?:pronta entrega|em estoque|estoque|disponive(?:l|is)|tem (?:ai|disponivel)|voces (?:tem|vendem|"
r"trabalham com)|tem (?:um|uma|algum|alguma)?\s?\w+ ?\?)"),
    ("payment", r"\b(?:parcel\w+|formas? de pagamento|pix|boleto|cartao|financia\w+|bndes|a vista|a prazo|entrada)\b"),
    ("thanks", r"\b(?:obrigad[oa]|valeu|agradeco|grat[oa]|obg|vlw)\b"),
    ("bye", r"\b(?:tchau|ate (?:mais|logo|breve|amanha)|falou|abracos?|(?:e|era)? ?so isso)\b"),
    ("identity", r"\b(?:(?:voce|vc|tu|ce) (?:e|eh) (?:um |uma )?(?:robo|bot|humano|pessoa|gente|ia|maquina)|(?:e|eh) (?:um )?(?:robo|bot)\b|"
r"(?:falo|falando|conversando) com (?:um |uma )?(?:robo|bot|pessoa|maquina|ia)\b|tem alguem ai|(?:e|eh) (?:uma )?ia\b|"
r"quem e (?:voce|vc)|atendimento automatico)"),
    ("buy", r"\b(?:quero (?:comprar|fechar|pedir|encomendar)|vamos fechar|fechar (?:o )?(?:negocio|pedido|compra)|preciso "
r"(?:comprar|fechar)|pode (?:mandar|emitir|gerar) (?:o |a )?(?:proposta|orcamento|pedido|contrato)|manda (?:a |"
r"o )?(?:proposta|orcamento)|verba aprovada|ja tenho (?:a |o )?(?:verba|dinheiro|recurso|orcamento aprovado))"),
    ("cold", r"\b(?:so (?:pesquisando|olhando|sondando|curiosidade|dando uma olhada)|nao (?:tenho|temos) interesse|sem "
r"interesse|ano que vem|futuramente|mais pra frente|nao (?:e|vou|vamos) (?:agora|comprar)|(?:e )?para (?:um "
r")?trabalho (?:da|de) (?:faculdade|escola)|engano|numero errado)\b"),
    ("complaint", r"\b(?:reclama\w+|nao funciona|quebr(?:ou|ado|ada)|com defeito|pessimo|procon|devol\w+|troca do produto)\b"),
    ("injection", r"(?:ignor[ea]\w* (?:todas? )?(?:as |os |suas |tudo|qualquer )?(?:regras|instruc\w+|ordens|prompt|politicas?|"
r"limites)|esquec[ea]\w* (?:as |suas |tudo)|system prompt|seu prompt|suas instrucoes|modo (?:desenvolvedor|"
r"admin|deus)|finja (?:que|ser)|aja como|voce agora e|voce e agora|agora voce e|ignore (?:all|previous|the)|<\/?(?:system|"
r"instruc)|sou (?:o|seu) (?:administrador|desenvolvedor|dono do sistema)|repita (?:o )?(?:texto|prompt) acima)"),
    ("yes", r"^\W*(?:sim|isso|claro|pode ser|pode|quero|ok|certo|beleza|blz|com certeza|por favor|positivo|uhum|aham|"
r"correto|isso mesmo)\b"),
    ("no", r"^\W*(?:nao|n|negativo|nada|nenhum|nao precisa)\b"),
)  # fmt: skip
_COMPILED: tuple[tuple[Intent, re.Pattern[str]], ...] = tuple((name, re.compile(pattern)) for name, pattern in _PATTERNS)
_OFF_TOPIC = re.compile(
    r"\b(?:futebol|jogo d[oe]|palmeiras|corinthians|flamengo|politica\b(?! de)|eleicao|bolsonaro|lula|piada|receita "
    r"de|poema|namora\w*|horoscopo|"
    r"previsao do tempo|vai chover|capital d[aeo]|bitcoin|loteria|mega ?sena|escrev[ae] (?:um|uma|o)|traduz\w*|"
    r"codigo (?:em )?python|filme|musica|quem descobriu|religiao)\b"
)
_CALL_ME = re.compile(r"\b(?:pode(?:m|ria)? me ligar|me (?:liga|ligue|liguem)\b|quero uma ligacao|prefiro por telefone)")
_QUESTION = re.compile(
    r"\?|^\W*(?:qual|quais|quanto|quantos|como|onde|quando|voces|tem|da para|da pra|serve|funciona)\b|\b(?:voltagem|"
    r"220|110|trifasic\w|bifasic\w|potencia|consumo|"
    r"medidas?|dimens\w+|capacidade|garantia|ficha tecnica|inmetro|nr-?12|manual|como funciona|diferenca entre|qual "
    r"(?:e )?(?:o )?melhor|montagem|assistencia)\b"
)


def intents(text: str) -> frozenset[Intent]:
    """Every intent in a message; several may hold. Opt-out, human and erasure follow knowledge.domain.brazil."""
    if AUDIO_MARK in text:
        return frozenset({"audio"})
    low = fold(compose(text))
    found: set[Intent] = set()
    found.update(name for name, pattern in _COMPILED if pattern.search(low))
    leave = brazil.opt_out(text)
    if leave == "opt_out":
        found.add("opt_out")
    elif leave == "confirm":
        found.add("opt_out_unsure")
    if brazil.wants_human(text) or _CALL_ME.search(low):
        found.add("human")
    if brazil.wants_erasure(text):
        found.add("erasure")
    if _OFF_TOPIC.search(low):
        found.add("off_topic")
    if _QUESTION.search(low):
        found.add("question")
    return frozenset(found)
