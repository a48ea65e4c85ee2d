"""Word lists for reading leads of the food-service trade in Brazil. All folded: lower case, no accents."""

from __future__ import annotations

from agents.offline.text import fold
from knowledge.domain.brazil import UFS

STATES: dict[str, str] = {fold(name): code for code, name in UFS.items()}
"""Folded state name -> UF."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNIQUE_CITIES: dict[str, str] = {
    "sao paulo": "SP", "rio de janeiro": "RJ", "belo horizonte": "MG", "curitiba": "PR", "porto alegre": "RS", "salvador": "BA",
    "fortaleza": "CE", "recife": "PE", "brasilia": "DF", "goiania": "GO", "manaus": "AM", "florianopolis": "SC", "cuiaba": "MT",
    "macapa": "AP", "teresina": "PI", "aracaju": "SE", "maceio": "AL", "joao pessoa": "PB", "sao luis": "MA", "porto velho": "RO",
    "guarulhos": "SP", "campinas": "SP", "ribeirao preto": "SP", "sorocaba": "SP", "sao bernardo do campo": "SP", "osasco": "SP",
    "sao jose dos campos": "SP", "joinville": "SC", "blumenau": "SC", "londrina": "PR", "maringa": "PR", "caxias do sul": "RS",
    "niteroi": "RJ", "uberlandia": "MG", "contagem": "MG", "juiz de fora": "MG", "feira de santana": "BA", "campina grande": "PB",
}  # fmt: skip
"""Large towns whose name no other Brazilian town bears: the state needs no question. Everything else is asked."""

NOT_A_PLACE = _words(
    """
    preciso precisamos quero queremos queria gostaria procuro busco procurando e breve casa dinheiro para pra por com
    meu minha nosso nossa uma um uns dono dona socio socia gerente comprador compradora chef voces voce aqui la empresa
    restaurante padaria pizzaria lanchonete hotel bar mercado loja cozinha que ja nao sim so tambem hoje amanha obra
    reforma fase processo duvida contato geral media ola oi inox urgente equipamento equipamentos orcamento quanto qual
    quando onde esta este essa moramos moro fica ficamos sou somos estou estamos entrega entregam regiao interior
    capital estado frete ramo area fogao forno mas porque tudo bem dia tarde noite algo alguma algum obrigado obrigada
    aguardo favor the e-mail email
    """
)
NOT_A_NAME = _words(
    """
    oi ola opa bom boa dia tarde noite sim nao ok certo claro beleza blz tudo bem obrigado obrigada valeu quero queria
    preciso precisamos gostaria procuro busco tenho temos estou somos sou de do da em no na dono dona proprietario
    proprietaria socio socia gerente comprador compradora responsavel chef cozinheiro cozinheira cliente novo nova
    empresa restaurante padaria pizzaria lanchonete hotel bar mercado supermercado cafeteria hamburgueria confeitaria
    buffet um uma o a os as e que para pra por com meu minha nosso nossa aqui voces voce quanto qual quando onde forno
    fritadeira freezer orcamento cotacao preco valor urgente interessado interessada representante consumidor pessoa
    ainda so mais menos depois agora hoje amanha talvez tambem isso esse essa este esta ele ela robo bot humano
    atendente vendedor cnpj email telefone autonomo mei caro fala falar falo ignore esqueca esquece desconto manda mande
    tchau ate tipo como sei pode me te nome seu cidade estado problema audio
    """
)
BUSINESS = (
    r"restaurantes?|padarias?|pizzarias?|lanchonetes?|hote(?:l|is)|pousadas?|bares|bar|mercad(?:o|inho)s?|supermercados?|acougues?|"
    r"cafeterias?|cafes?|hamburguerias?|confeitarias?|buffets?|sorveterias?|churrascarias?|escolas?|hospita(?:l|is)|cozinhas?|"
    r"bistros?|emporios?|doceri?as?|rotisserias?|dark kitchens?|marmitarias?|cantinas?|food trucks?|panificadoras?"
)
PRODUCTS: tuple[str, ...] = (
    r"fornos? combinados?(?: \d+ gns?)?",
    r"fornos? (?:de lastro|turbo|de conveccao|de pizza|de esteira|eletricos?|industria(?:l|is)|a gas)",
    r"fornos?",
    r"fritadeiras?(?: (?:eletricas?|a gas|industria(?:l|is)|agua e oleo))*",
    r"balc(?:ao|oes) (?:refrigerados?|expositor(?:es)?|termicos?)",
    r"camaras? frias?",
    r"refrigerador(?:es)?(?: (?:vertica(?:l|is)|industria(?:l|is)))*",
    r"geladeiras?(?: (?:comercia(?:l|is)|industria(?:l|is)))*",
    r"freezers?(?: (?:vertica(?:l|is)|horizonta(?:l|is)))*",
    r"ultracongelador(?:es)?",
    r"expositor(?:es)?",
    r"vitrines?(?: \w+das?)?",
    r"maquinas? de gelo",
    r"lava-?louc?as?",
    r"lavadoras? de louca",
    r"fog(?:ao|oes)(?: industria(?:l|is))?",
    r"chapas?(?: a gas| eletricas?)?",
    r"char ?broilers?",
    r"coifas?",
    r"batedeiras?(?: planetarias?)?",
    r"amassadeiras?",
    r"masseiras?",
    r"cilindros?",
    r"divisoras?",
    r"modeladoras?",
    r"processador(?:es)?(?: de alimentos)?",
    r"fatiador(?:es)?",
    r"liquidificador(?:es)?(?: industria(?:l|is))?",
    r"estufas?",
    r"bancadas?(?: (?:de )?inox)?",
    r"mesas? (?:de )?inox",
    r"pias?(?: (?:de )?inox| industria(?:l|is))*",
    r"cubas? (?:de )?inox",
    r"(?:prateleiras?|estantes?|armarios?|carrinhos?)(?: (?:de )?inox)?",
    r"maquinas? de cafe",
    r"seladoras?",
    r"cozinhas? (?:completas?|industria(?:l|is))",
)
"""Equipment of professional kitchens, the more exact first."""

UNIT_WORDS = (
    r"unidades?|pecas?|maquinas?|equipamentos?|conjuntos?|refeicoes|refeicao|pratos|paes|pizzas|coberturas?|almocos|"
    r"jantares|clientes|lojas|"
    r"filiais|quilos|kg|fornos?|fritadeiras?|geladeiras?|freezers?|refrigerador(?:es)?|balcoes|balcao|batedeiras?|"
    r"chapas?|coifas?|fogoes|"
    r"amassadeiras?|masseiras?|vitrines?|expositores|camaras?|processadores|liquidificador(?:es)?|lavadoras?|"
    r"lava-?loucas?|estufas?|fatiador(?:es)?|bancadas?|mesas?|pias?|cubas?|prateleiras?|estantes?|armarios?|carrinhos?|"
    r"expositor|ultracongelador(?:es)?|seladoras?|divisoras?|modeladoras?|cilindros?|balancas?"
)
