"""What the offline SDR says, in Brazilian Portuguese. Several wordings of each, picked by the conversation itself.

No sentence here holds a price, a discount, a deadline or a promise of stock (spec G7), and every question is recognised by
`slots.asked_in`, so that the next turn knows what was asked.
"""

from __future__ import annotations

ASK: dict[str, tuple[str, ...]] = {
    "name": ("Com quem eu falo?", "Como posso te chamar?", "Pode me dizer seu nome?"),
    "need": ("Qual equipamento você procura?", "O que você precisa para a sua cozinha?", "Que equipamento você está buscando?"),
    "company": ("Qual é a sua empresa?", "De qual empresa você fala?", "Qual o nome da sua empresa?"),
    "cnpj": ("Pode me passar o CNPJ?", "Qual é o CNPJ da empresa?", "Você tem o CNPJ à mão?"),
    "city": (
        "Em qual cidade e estado vocês ficam?",
        "Qual é a cidade e o estado da entrega?",
        "Em que cidade e UF vai ficar o equipamento?",
    ),
    "state": ("{city} de qual estado?", "{city} fica em qual UF?", "Em que estado fica {city}?"),
    "volume": ("Quantas unidades você imagina?", "Qual a quantidade que você precisa?", "Você pensa em quantas unidades?"),
    "urgency": ("Para quando você precisa?", "Você tem um prazo em mente?", "Para quando seria?"),
    "email": (
        "Qual e-mail uso para a proposta?",
        "Pode me passar um e-mail para a proposta?",
        "Em qual e-mail você recebe a proposta?",
    ),
}
FIRST_QUESTION = (
    "Com quem eu falo e qual equipamento você procura?",
    "Como posso te chamar e o que você precisa para a sua cozinha?",
)
HELLO = ("{greet} Aqui é a assistente virtual da {company}.", "{greet} Sou a assistente virtual da {company}, bem-vindo(a).")
HELLO_AGAIN = ("{greet}", "{greet} Bom te ver por aqui.")
NICE = ("Prazer, {name}!", "Muito prazer, {name}!", "Oi, {name}!")
NOTED = ("Anotado: {what}.", "Certo, {what}.", "Perfeito, registrei {what}.", "Ótimo, anotei {what}.")
THANKS_DATA = ("Obrigada!", "Perfeito, obrigada.", "Anotado, obrigada!", "Certo, anotei aqui.")
NO_PROBLEM = ("Sem problema.", "Tudo bem.", "Tranquilo.")
PRICE = (
    "Os valores quem informa é a nossa equipe, em uma proposta formal feita para o seu caso.",
    "Por aqui eu não passo valores: a equipe comercial prepara uma proposta formal para você.",
    "Preço eu deixo com a equipe comercial, que envia uma proposta formal conforme a sua necessidade.",
)
DISCOUNT = (
    "Condições comerciais são definidas só pela equipe, na proposta formal; eu não consigo negociar por aqui.",
    "Sobre condições, quem pode falar é a equipe comercial, na proposta formal.",
)
PAYMENT = (
    "As formas de pagamento vêm detalhadas na proposta formal da equipe.",
    "A equipe comercial apresenta as formas de pagamento junto com a proposta.",
)
INJECTION = (
    "Eu só consigo ajudar com o atendimento da {company}, dentro das nossas regras.",
    "Isso eu não posso fazer, mas sigo à disposição para o atendimento da {company}.",
)
OFF_TOPIC = (
    "Desse assunto eu não consigo falar; aqui cuido do atendimento da {company}, de equipamentos para cozinhas profissionais.",
    "Essa eu fico devendo! Por aqui eu ajudo com equipamentos para cozinhas profissionais da {company}.",
)
IDENTITY = (
    "Sou a assistente virtual da {company}, um atendimento automático; se preferir, chamo uma pessoa da equipe.",
    "Isso mesmo, sou um atendimento automático da {company}. Se quiser falar com uma pessoa, é só pedir.",
)
HUMAN = (
    "Claro, vou passar a conversa para uma pessoa da nossa equipe. Ela já recebe o resumo do que falamos.",
    "Sem problema, estou chamando uma pessoa da equipe. O que conversamos até aqui já vai junto.",
)
HOT = (
    "{name_comma}já tenho o que preciso. Passei tudo para a nossa equipe comercial, que assume a conversa e "
    "prepara a proposta formal.",
    "Obrigada{comma_name}! Seu pedido já está com a equipe comercial, que continua por aqui com a proposta formal.",
)
COMPLETE = (
    "Obrigada{comma_name}! Registrei tudo e a equipe comercial vai preparar a proposta formal. Se lembrar de algo, é só escrever.",
    "Perfeito{comma_name}, está tudo registrado. A equipe comercial segue com a proposta formal e fico à disposição.",
)
COMPLAINT = (
    "Sinto muito pelo transtorno. Estou passando o seu caso para uma pessoa da equipe, com o que você me contou.",
    "Lamento por isso. Vou passar agora para uma pessoa da equipe cuidar do seu caso.",
)
ERASURE = ("Entendido. Encaminhei o seu pedido de exclusão de dados para a equipe responsável, que confirma por aqui.",)
OPT_OUT = ("Tudo certo, você não receberá mais mensagens nossas. Se quiser voltar a falar, é só escrever.",)
OPT_OUT_UNSURE = ("Só para eu entender: você quer parar de receber mensagens nossas ou cancelar um pedido?",)
AUDIO = (
    "Não consegui ouvir o seu áudio. Pode repetir em texto, por favor?",
    "Ainda não consigo entender esse áudio. Você pode me escrever o que precisa?",
)
COLD = (
    "Sem problema{comma_name}! Quando fizer sentido, é só chamar por aqui.",
    "Tudo bem{comma_name}, fique à vontade. Se precisar de equipamentos no futuro, estou por aqui.",
)
WELCOME = ("Por nada{comma_name}! Qualquer coisa, é só chamar.", "Imagina{comma_name}! Fico à disposição.")
BYE = ("Até mais{comma_name}! Quando precisar, é só chamar.", "Até logo{comma_name}! Fico à disposição.")
UNKNOWN_FACT = (
    "Essa informação eu não tenho aqui; a equipe técnica confirma junto com a proposta.",
    "Não encontrei isso no nosso material. Deixo anotado para a equipe confirmar.",
)
SAFE = (
    "Essa informação a equipe comercial confirma na proposta formal.",
    "Sobre isso, quem confirma é a nossa equipe, na proposta formal.",
)
OTHER_HELP = ("Posso ajudar com algo mais?", "Ficou alguma dúvida que eu possa ajudar?")
NOT_UNDERSTOOD = ("Desculpe, não entendi bem.", "Acho que não peguei essa.")
REJECTED: dict[str, tuple[str, ...]] = {
    "cnpj": (
        "Esse CNPJ não confere: {why}. Pode verificar e me mandar de novo? Qual é o CNPJ correto?",
        "Conferi aqui e esse CNPJ não fecha: {why}. Qual é o CNPJ correto?",
    ),
    "email": ("Esse e-mail parece incompleto. Pode me passar o e-mail novamente?",),
    "phone": ("Esse telefone parece incompleto; com o DDD, qual é o seu telefone?",),
    "state": ("Não reconheci esse estado. Qual é a UF?",),
}
LABELS = {
    "need": "{value}", "volume": "quantidade {value}", "urgency": "o prazo que você precisa", "company": "empresa {value}",
    "city": "{value}",
    "cnpj": "o CNPJ", "email": "o e-mail", "phone": "o telefone", "state": "{value}", "name": "{value}",
}  # fmt: skip
