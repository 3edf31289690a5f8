"""The courtesies around a question, and what is said where the book has no passage."""

from __future__ import annotations

import re

from rag.text import guess_language

_NOTHING = {
    "ar": "لا يبدو أن الكتاب يقول شيئًا عن ذلك. جرّب صياغة السؤال بكلمات أخرى.",
    "de": "Dazu scheint das Buch nichts zu sagen. Vielleicht hilft es, anders zu fragen.",
    "en": "The book does not seem to say anything about that. Asking in other words may help.",
    "es": "El libro no parece decir nada sobre eso. Quizá ayude preguntar con otras palabras.",
    "fr": "Le livre ne semble rien dire à ce sujet. Essayez peut-être avec d'autres mots.",
    "hi": "लगता है कि किताब में इसके बारे में कुछ नहीं है। दूसरे शब्दों में पूछकर देखें।",
    "it": "Il libro non sembra dire nulla in proposito. Prova a chiederlo con altre parole.",
    "ja": "この本にはそのことが書かれていないようです。別の言葉で質問してみてください。",
    "pt": "O livro não parece dizer nada sobre isso. Talvez ajude perguntar com outras palavras.",
    "ru": "Похоже, в книге об этом ничего нет. Попробуйте спросить другими словами.",
    "ur": "لگتا ہے کہ کتاب میں اس کے بارے میں کچھ نہیں ہے۔ دوسرے الفاظ میں پوچھ کر دیکھیں۔",
    "zh": "书中似乎没有提到这一点。换个说法再问一次也许会有帮助。",
}
_WELCOME = {
    "ar": "مرحبًا! اطرح سؤالًا عن هذا الكتاب.",
    "de": "Stellen Sie gern eine Frage zu diesem Buch.",
    "en": "Welcome! Ask a question about this book.",
    "es": "Puede hacer cualquier pregunta sobre este libro.",
    "fr": "Posez volontiers une question sur ce livre.",
    "hi": "स्वागत है! इस किताब के बारे में कोई सवाल पूछें।",
    "it": "Fai pure una domanda su questo libro.",
    "ja": "ようこそ！この本について質問してください。",
    "pt": "Pode fazer uma pergunta sobre este livro.",
    "ru": "Пожалуйста, задайте вопрос об этой книге.",
    "ur": "خوش آمدید! اس کتاب کے بارے میں کوئی سوال پوچھیں۔",
    "zh": "欢迎！请问一个关于这本书的问题。",
}
_THANKED = {
    "ar": "على الرحب والسعة. اسأل متى شئت.",
    "de": "Gern geschehen. Fragen Sie jederzeit weiter.",
    "en": "You are welcome. Ask again whenever you like.",
    "es": "De nada. Pregunte cuando quiera.",
    "fr": "Je vous en prie. Posez d'autres questions quand vous voulez.",
    "hi": "आपका स्वागत है। जब चाहें, फिर पूछें।",
    "it": "Prego. Chiedi pure quando vuoi.",
    "ja": "どういたしまして。いつでもまた質問してください。",
    "pt": "De nada. Pergunte sempre que quiser.",
    "ru": "Пожалуйста. Спрашивайте в любое время.",
    "ur": "کوئی بات نہیں۔ جب چاہیں پوچھیں۔",
    "zh": "不客气。欢迎随时继续提问。",
}
_GREETINGS = {
    "ar": "مرحبا|مرحبًا|أهلا|السلام عليكم",
    "de": "hallo|guten (?:tag|morgen|abend)|grüß gott",
    "en": "hi(?: there)?|hello(?: there)?|hey(?: there)?|good (?:morning|afternoon|evening|day)"
    "|how are you",
    "es": "hola|buen[oa]s (?:días|tardes|noches)",
    "fr": "bonjour|bonsoir|salut",
    "hi": "नमस्ते|नमस्कार",
    "it": "ciao|buon(?:giorno|asera)",
    "ja": "こんにちは|こんばんは|おはよう(?:ございます)?",
    "pt": "olá|oi|bo(?:m dia|a tarde|a noite)",
    "ru": "привет|здравствуйте?|добрый (?:день|вечер)|доброе утро",
    "ur": "سلام|السلام علیکم",
    "zh": "你好|您好",
}
_THANKS = {
    "ar": "شكرا|شكرًا",
    "de": "danke(?: schön| sehr)?|vielen dank",
    "en": "(?:(?:ok(?:ay)?|great|perfect|cool|nice|awesome|got it|good)[,.! ]+)?(?:many )?"
    "(?:thanks?(?: a lot| you(?: very much| so much)?)?|thx)|cheers",
    "es": "(?:muchas )?gracias",
    "fr": "merci(?: beaucoup)?",
    "hi": "धन्यवाद|शुक्रिया",
    "it": "grazie(?: mille)?",
    "ja": "ありがとう(?:ございます)?",
    "pt": "(?:muito )?obrigad[oa]",
    "ru": "спасибо(?: большое)?",
    "ur": "شکریہ",
    "zh": "谢谢|多谢",
}
_ANSWERS = [
    (re.compile(words, re.IGNORECASE), replies[language])
    for phrases, replies in ((_GREETINGS, _WELCOME), (_THANKS, _THANKED))
    for language, words in phrases.items()
]

_SAID = "|".join((*_GREETINGS.values(), *_THANKS.values()))
_GREETED = re.compile(
    rf"¡?(?:{_SAID})(?!\W*(?:world|welt|mundo|monde)\b)"
    r"(?:\s*[,.;:!?…。，！、،؟–—]+\s*|\s+-+\s+|\s+(?=(?:what|how|why|when|where|which|who|is|are|can|could|do"
    r"|does|should|please|was|wie|warum|kann|qué|cómo|puedo|comment|pourquoi|peut)\b))",
    re.IGNORECASE,
)
"""A greeting before a question; "Hello, world" is the name of a program."""
_ASKS = (
    r"(?=(?:what|how|why|when|where|which|who|whose|whether|if|was|wie|warum|wann|wo|welche[rs]?|wer"
    r"|ob|qué|cómo|por qué|cuándo|dónde|quién|si|ce que?|comment|pourquoi|quand|où|qui)\b)"
)
_LED = re.compile(
    r"please,? (?=\w)|bitte,? (?=\w)|por favor,? (?=\w)"
    r"|(?:can|could|would|will) (?:you|anyone|someone) (?:please |kindly )?"
    r"(?=(?:explain|describe|define|tell|show|give|list|help)\b)"
    r"|(?:(?:please )?(?:tell|remind|show) (?:me|us)|do you know|any idea|explain(?: to me)?"
    r"|help me understand|i (?:don't|do not) (?:know|understand|get)"
    rf"|i(?:'m| am| was) (?:just )?wondering),? {_ASKS}"
    r"|i(?:'d| would)? (?:like|want|need|wish) to (?:know|understand|learn)(?: more)?(?: about)? "
    r"|i(?:'m| am) trying to (?:understand|learn about) "
    rf"|(?:kannst du|können sie|könnten sie) (?:mir |uns )?(?:bitte )?(?:sagen|erklären),? {_ASKS}"
    r"|ich (?:möchte|will|würde gern) wissen,? "
    rf"|¿?(?:me )?(?:puedes?|podr[ií]as?) (?:por favor )?(?:decir|explicar)(?:me|nos)? {_ASKS}"
    rf"|(?:pouvez-vous|peux-tu|pourriez-vous) (?:me |nous )?(?:dire|expliquer) {_ASKS}",
    re.IGNORECASE,
)
"""What politely leads to the question proper."""
_TRAILED = re.compile(
    r"(?<![\s,])(?:[\s,]++(?:please|step by step|to me"
    r"|in (?:more |greater |full |some )?(?:details?|depth)"
    r"|in (?:simpler?|plain|easy|other|your own|a few) (?:terms|words|english)"
    r"|like i(?:'m| am| was) (?:five|5|a (?:child|beginner)))"
    r"|\s*+,\s*+(?:thanks?(?: you)?|thx|bitte|danke|por favor|gracias"
    r"|s'il (?:vous|te) pla[iî]t|merci))(?=\W*$)",
    re.IGNORECASE,
)
"""One of them at a time: a repetition of what begins alike takes forever on what ends otherwise."""


def plain(question: str) -> str:
    """The question proper: without a greeting, "please" or "could you tell me" around it.

    A question that is nothing else stays as it is.
    """
    rest = question.strip().replace("’", "'")
    for polite in (_GREETED, _LED, _LED):
        if match := polite.match(rest):
            rest = rest[match.end() :]
    for _ in range(3):  # "…, to me, in simple terms, please"
        rest = _TRAILED.sub("", rest)
    return rest if re.search(r"\w", rest) else question


def courtesy(text: str) -> str:
    """What is said to a text that is nothing but a greeting or thanks; else empty."""
    bare = text.strip(" \t\n.,;:!?¡¿。！？،؟…")
    return next((reply for words, reply in _ANSWERS if words.fullmatch(bare)), "")


def without_passages(question: str) -> str:
    """A sentence in the question's language: a welcome, or that the book is silent."""
    return courtesy(question) or _NOTHING.get(guess_language(question), _NOTHING["en"])
