"""Which column of an advertising export means what: headers of Meta, Google, TikTok, shops and plain spreadsheets."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field


# Field -> header spellings, best first, normalised (lower case, no accents, letters and digits only).
def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Field -> header spellings, best first, normalised (lower case, no accents, letters and digits only).
ALIASES: dict[str, tuple[str, ...]] = {
    "date": _words(
        "date cdate day dia data datestart segmentsdate stattimehour stattimeday statdate statdatetime reportingstarts "
        "iniciodosrelatorios datainicial reportdate datetime timestamp datahora"
    ),
    "campaign_id": _words("campaignid idcampanha iddacampanha idcampaign"),
    "campaign": _words("campaignname campaign campanha nomedacampanha nomecampanha"),
    "impressions": _words("impressions impressoes impr metricsimpressions imps views"),
    "clicks": _words(
        "inlinelinkclicks linkclicks cliquesnolink clicks cliques metricsclicks outboundclicks clicksall cliquestodos clickscount"
    ),
    "spend": _words(
        "spend spent markspent marketingspend marketingspent amountspent adspend cost metricscost totalcost gasto gastos "
        "valorgasto valorusado quantiagasta custo investimento"
    ),
    "spend_micros": _words("costmicros metricscostmicros spendmicros"),
    "conversions": _words(
        "purchases websitepurchases orders pedidos compras comprasnosite numerodepedidos totalpurchase completepayment "
        "conversions metricsconversions conversion conversoes vendas results resultados actions"
    ),
    "revenue": _words(
        "revenue receita faturamento purchasesconversionvalue purchaseconversionvalue websitepurchasesconversionvalue "
        "valordeconversaodacompra valordeconversaodecompras totalpurchasevalue totalcompletepaymentvalue conversionsvalue "
        "metricsconversionsvalue conversionvalue convvalue valordaconversao valordeconversao valorconv actionvalues "
        "ordervalue totalrevenue sales totalsales"
    ),
    "roas": _words("roas purchaseroas purchaseroasreturnonadspend websitepurchaseroas roasdacompra totalcompletepaymentroas"),
    "currency": _words("currency accountcurrency currencycode customercurrencycode moeda"),
    "platform": _words("platform plataforma"),
    "hour": _words("hour hora segmentshour hourofday"),
}
FALLBACKS: dict[str, tuple[str, ...]] = {
    "campaign_id": _words("id basecampaign adsetid adgroupid adid"),
    "campaign": _words("adsetname adgroupname adname"),
}
# Several rows of one campaign and day are parts of it, not copies, when one of these tells them apart.
SEGMENTS = frozenset(
    _words(
        "device segmentsdevice dispositivo adnetworktype segmentsadnetworktype adgroupid adgroupname adsetid adsetname adid adname "
        "country pais region regiao age idade gender genero sexo placement publisherplatform platformposition keyword "
        "criterionid creativeid hour hora segmentshour"
    )
)
PORTUGUESE = frozenset(
    _words(
        "data dia campanha nomedacampanha impressoes cliques cliquesnolink gasto gastos valorgasto valorusado custo investimento "
        "pedidos compras conversoes vendas receita faturamento iniciodosrelatorios"
    )
)
REQUIRED = ("date", "spend", "conversions", "revenue")
WHAT: dict[str, str] = {
    "date": "a date (date, C Date, date_start, segments.date, stat_time_day, data)",
    "spend": "what was spent (spend, Mark Spent, Amount spent, cost_micros, gasto)",
    "conversions": "orders (orders, purchases, conversions, actions, pedidos)",
    "revenue": "revenue (revenue, conversions_value, total_purchase_value, action_values, or ROAS, receita)",
}


@dataclass
class Columns:
    """The header's meaning: field -> column index, what was only guessed, and what was seen."""

    header: list[str]
    index: dict[str, int]
    guessed: dict[str, str] = field(default_factory=dict)
    segments: list[int] = field(default_factory=list)
    currency: str | None = None
    portuguese: bool = False

    @property
    def mapping(self) -> dict[str, str]:
        """Field -> header as written in the file."""
        return {name: self.header[i] for name, i in self.index.items()}

    @property
    def missing(self) -> list[str]:
        """Required fields that no column gives (micros count as spend, ROAS times spend as revenue)."""
        have = set(self.index)
        if "spend_micros" in have:
            have.add("spend")
        if "roas" in have:
            have.add("revenue")
        return [name for name in REQUIRED if name not in have]


def normalised(header: str) -> str:
    """Lower case, without accents, brackets and anything but letters and digits: "C Date" -> "cdate"."""
    bare = re.sub(r"[(\[][^)\]]*[)\]]", "", header)
    flat = unicodedata.normalize("NFKD", bare).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", flat.lower())


def recognise(header: Sequence[str]) -> Columns:
    """Maps a header row to fields: exact spellings first, then near misses (one typo or so) for what is still missing."""
    names = [normalised(cell) for cell in header]
    columns = Columns(header=[cell.strip() for cell in header], index={})
    taken: set[int] = set()
    for aliases in (ALIASES, FALLBACKS):
        for name, spellings in aliases.items():
            if name in columns.index:
                continue
            found = next((names.index(s) for s in spellings if s in names and names.index(s) not in taken), None)
            if found is not None:
                columns.index[name] = found
                taken.add(found)
    # A bare "id" beside a campaign name is a row number as likely as not; the name is the surer key.
    if (
        {"campaign", "campaign_id"} <= set(columns.index)
        and names[columns.index["campaign_id"]] not in ALIASES["campaign_id"]
        and names[columns.index["campaign"]] in ALIASES["campaign"]
    ):
        taken.discard(columns.index.pop("campaign_id"))
    for name, spellings in ALIASES.items():
        if name in columns.index or (name == "spend" and "spend_micros" in columns.index):
            continue
        for i, candidate in enumerate(names):
            near = [s for s in spellings if len(s) >= 5]
            if i not in taken and len(candidate) >= 5 and difflib.get_close_matches(candidate, near, 1, 0.85):
                columns.index[name] = i
                columns.guessed[name] = columns.header[i]
                taken.add(i)
                break
    columns.segments = [i for i, n in enumerate(names) if n in SEGMENTS and i != columns.index.get("campaign_id")]
    columns.portuguese = sum(1 for n in names if n in PORTUGUESE) >= 2
    for name in ("spend", "revenue"):
        if name in columns.index:
            code = re.search(r"[(\[]\s*([A-Z]{3})\s*[)\]]", header[columns.index[name]])
            columns.currency = columns.currency or (code.group(1) if code else None)
    return columns
