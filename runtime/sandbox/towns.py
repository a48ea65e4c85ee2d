"""A small own table of Brazilian towns, homonyms included, with ids that are deliberately not IBGE codes.

The CRM twin serves it under /cities and the lead personas live in it. 20 of its names exist in more than one state.
"""

from __future__ import annotations

from dataclasses import dataclass

_TABLE = """
São Paulo|SP:11
Campinas|SP:19
São José dos Campos|SP:12
Ribeirão Preto|SP:16
Sorocaba|SP:15
Santos|SP:13
Santa Bárbara d'Oeste|SP:19
Maringá|PR:44
Londrina|PR:43
Curitiba|PR:41
Foz do Iguaçu|PR:45
Joinville|SC:47
Florianópolis|SC:48
Blumenau|SC:47
Porto Alegre|RS:51
Caxias do Sul|RS:54
Pelotas|RS:53
Rio de Janeiro|RJ:21
Niterói|RJ:21
Belo Horizonte|MG:31
Uberlândia|MG:34
Juiz de Fora|MG:32
São João del Rei|MG:32
Vitória|ES:27
Salvador|BA:71
Feira de Santana|BA:75
Recife|PE:81
Fortaleza|CE:85
Natal|RN:84
João Pessoa|PB:83
Maceió|AL:82
Aracaju|SE:79
São Luís|MA:98
Teresina|PI:86
Manaus|AM:92
Goiânia|GO:62
Anápolis|GO:62
Brasília|DF:61
Cuiabá|MT:65
Porto Velho|RO:69
Bom Jesus|SC:49 RS:54 PI:89 RN:84 PB:83
Santa Maria|RS:55 RN:84
São Domingos|BA:75 SC:49 PB:83 SE:79 GO:62
Santa Luzia|MA:98 BA:73 MG:31 PB:83
Santa Inês|BA:73 PR:44 PB:83 MA:98
Planalto|BA:77 RS:55 SP:18 PR:46
São Francisco|SP:17 PB:83 SE:79 MG:38
Cascavel|PR:45 CE:85
Toledo|MG:35 PR:45
Palmas|PR:46 TO:63
Rio Claro|RJ:24 SP:19
Campo Grande|AL:82 MS:67
Valença|BA:75 RJ:24
Cruzeiro do Sul|PR:44 RS:51 AC:68
Santa Helena|PR:45 SC:49 MA:98 PB:83
Pinhão|SE:79 PR:42
Colinas|RS:51 MA:99
Viçosa|RN:84 AL:82 MG:31
Bonito|PE:81 BA:75 PA:91 MS:67
Belém|PA:91 PB:83 AL:82
"""


@dataclass(frozen=True)
class Town:
    """One town. `id` is the CRM twin's own number; `ddd` the area code of its phones."""

    id: int
    name: str
    uf: str
    ddd: str


def _read() -> tuple[Town, ...]:
    towns: list[Town] = []
    for line in _TABLE.strip().splitlines():
        name, _, places = line.partition("|")
        for place in places.split():
            uf, _, ddd = place.partition(":")
            # 37 is coprime with every block size in use, so that neighbours in the table are not neighbours by id
            towns.append(Town(3001 + 37 * len(towns), name, uf, ddd))
    return tuple(towns)


TOWNS: tuple[Town, ...] = _read()
HOMONYMS: frozenset[str] = frozenset(t.name for t in TOWNS if sum(other.name == t.name for other in TOWNS) > 1)
