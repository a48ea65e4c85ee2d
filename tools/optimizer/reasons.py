"""Why an action is proposed, as a message id with parameters, and the English and Brazilian sentence of each id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EN: Mapping[str, str] = {
    "optimizer.raise.marginal": (
        "Raise {campaign} {from} → {to}: its next unit of spend returns {return_next} on margin against {price} elsewhere; "
        "{confidence} % sure."
    ),
    "optimizer.cut.marginal": (
        "Cut {campaign} {from} → {to}: its last unit of spend returns only {return_last} on margin against {price} needed; "
        "{confidence} % sure."
    ),
    "optimizer.cut.cap": (
        "Cut {campaign} {from} → {to}: active budgets of {active} exceed today's cap of {cap}, and its last unit of spend "
        "returns the least ({return_last} on margin); {confidence} % sure."
    ),
    "optimizer.cut.stock": "Cut {campaign} {from} → {to}: its product is out of stock and it is too young to be paused.",
    "optimizer.pause.evidence": (
        "Pause {campaign}: {conversions} orders where break-even needs {needed}; evidence {evalue} to 1 against "
        "break-even (line {line}), sound however often one looks; {confidence} % sure."
    ),
    "optimizer.pause.stock": "Pause {campaign}: its product is out of stock.",
    "optimizer.resume.stock": (
        "Resume {campaign} at {to}: its product is back in stock and it returns {return_mean} on margin; {confidence} % sure."
    ),
    "optimizer.resume.pays": (
        "Resume {campaign} at {to}: with what is known now it returns {return_mean} on margin; {confidence} % sure."
    ),
    "optimizer.thresholds.winner": (
        "Raise {campaign} {from} → {to}: winner on all {known} known thresholds (ROAS {roas}, CTR {ctr}, CVR {cvr}, CPA {cpa}, "
        "AOV {aov}) after {impressions} impressions."
    ),
    "optimizer.thresholds.loser": (
        "Pause {campaign}: loser, {met} of {known} known thresholds met (ROAS {roas}, CTR {ctr}, CVR {cvr}, CPA {cpa}, AOV {aov}) "
        "after {impressions} impressions."
    ),
    "optimizer.framework.pause_roas": "Pause {campaign}: ROAS below {line} on each of the last 3 days ({days}).",
    "optimizer.framework.pause_silent": "Pause {campaign}: no conversion in 48 h on a spend of {spend}.",
    "optimizer.framework.pause_cpa": "Pause {campaign}: CPA rose {rise} % ({before} → {now}) in the last 3 days.",
    "optimizer.framework.reduce": "Cut {campaign} {from} → {to}: 7-day ROAS {roas} is below {line}.",
    "optimizer.framework.increase": "Raise {campaign} {from} → {to}: 7-day ROAS {roas} is above {line}.",
    "optimizer.framework.reallocate": (
        "Raise {campaign} {from} → {to}: the best ROAS ({roas}) takes what today's cuts free; the total does not grow."
    ),
}

PT_BR: Mapping[str, str] = {
    "optimizer.raise.marginal": (
        "Aumentar {campaign} {from} → {to}: a próxima unidade gasta devolve {return_next} em margem, contra {price} nas outras; "
        "{confidence} % de certeza."
    ),
    "optimizer.cut.marginal": (
        "Reduzir {campaign} {from} → {to}: a última unidade gasta devolve só {return_last} em margem, contra {price} exigidos; "
        "{confidence} % de certeza."
    ),
    "optimizer.cut.cap": (
        "Reduzir {campaign} {from} → {to}: os orçamentos ativos somam {active} e o teto de hoje é {cap}; a última unidade dela é "
        "a que menos devolve ({return_last} em margem); {confidence} % de certeza."
    ),
    "optimizer.cut.stock": "Reduzir {campaign} {from} → {to}: produto sem estoque e campanha nova demais para ser pausada.",
    "optimizer.pause.evidence": (
        "Pausar {campaign}: {conversions} pedidos, e o ponto de equilíbrio pede {needed}; evidência de {evalue} para 1 contra o "
        "equilíbrio (limite {line}), válida não importa quantas vezes se olhe; {confidence} % de certeza."
    ),
    "optimizer.pause.stock": "Pausar {campaign}: produto sem estoque.",
    "optimizer.resume.stock": (
        "Retomar {campaign} com {to}: o produto voltou ao estoque e ela devolve {return_mean} em margem; {confidence} % de certeza."
    ),
    "optimizer.resume.pays": (
        "Retomar {campaign} com {to}: com o que se sabe agora ela devolve {return_mean} em margem; {confidence} % de certeza."
    ),
    "optimizer.thresholds.winner": (
        "Aumentar {campaign} {from} → {to}: vencedora em todos os {known} critérios conhecidos (ROAS {roas}, CTR {ctr}, CVR {cvr}, "
        "CPA {cpa}, ticket {aov}) após {impressions} impressões."
    ),
    "optimizer.thresholds.loser": (
        "Pausar {campaign}: perdedora, {met} de {known} critérios conhecidos atingidos (ROAS {roas}, CTR {ctr}, CVR {cvr}, "
        "CPA {cpa}, ticket {aov}) após {impressions} impressões."
    ),
    "optimizer.framework.pause_roas": "Pausar {campaign}: ROAS abaixo de {line} em cada um dos últimos 3 dias ({days}).",
    "optimizer.framework.pause_silent": "Pausar {campaign}: nenhuma conversão em 48 h com gasto de {spend}.",
    "optimizer.framework.pause_cpa": "Pausar {campaign}: o CPA subiu {rise} % ({before} → {now}) nos últimos 3 dias.",
    "optimizer.framework.reduce": "Reduzir {campaign} {from} → {to}: ROAS de 7 dias em {roas}, abaixo de {line}.",
    "optimizer.framework.increase": "Aumentar {campaign} {from} → {to}: ROAS de 7 dias em {roas}, acima de {line}.",
    "optimizer.framework.reallocate": (
        "Aumentar {campaign} {from} → {to}: o melhor ROAS ({roas}) recebe o que os cortes de hoje liberam; o total não cresce."
    ),
}

_UNDEFINED = {"en": "undefined", "pt-BR": "indefinido"}


def _shown(value: Any, language: str) -> str:
    if value is None:
        return _UNDEFINED[language]
    if isinstance(value, float):
        text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.2f}" if abs(value) >= 0.1 else f"{value:.3g}"
        text = text.removesuffix(".00")
        return text.translate(str.maketrans(",.", ".,")) if language == "pt-BR" else text
    return str(value)


def sentence(message_id: str, params: Mapping[str, Any], language: str = "en") -> str:
    """The reason in words, in "en" or "pt-BR". Raises KeyError for an unknown id or a missing parameter."""
    template = (PT_BR if language == "pt-BR" else EN)[message_id]
    return template.format_map({name: _shown(value, language) for name, value in params.items()})
