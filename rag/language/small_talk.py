"""Recognize greetings, thanks and questions about the book; provide the fixed reply texts."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Literal, TypeAlias, get_args

from rag.language import visible
from rag.language.detect import guess_language, normalize, primary_subtag

SmallTalk: TypeAlias = Literal["greeting", "thanks", "about"]
Key: TypeAlias = Literal[
    "nothing", "nearest", "read_on", "welcome", "thanked", "about", "elsewhere"
]

_PHRASES = {
    "en": """
        hi | hi there | hello | hello there | hey | hey there | good morning | good afternoon |
        good evening | good day | how are you /
        thanks | thanks a lot | thank | thank you | thank you very much | many thanks | thx |
        ok thanks | ok thank you | great thanks /
        help | help me | can you help me | what is this | what's this | what is this about |
        what's this about | what is it about | what is this book about | what is the book about |
        what is this book | who are you | what are you | what can you do | what do you do |
        what do you know | what can I ask | what can I ask you | what can I do here |
        how does this work | how do you work | how can you help me | tell me about this book""",
    "de": """
        hallo | guten Tag | guten Morgen | guten Abend | grüß Gott /
        danke | danke schön | danke sehr | vielen Dank /
        Hilfe | was ist das | worum geht es | worum geht es hier | worum geht es in diesem Buch |
        was ist das für ein Buch | wovon handelt das Buch | wovon handelt dieses Buch | wer bist du
        | wer sind Sie | was kannst du | was können Sie | was kann ich fragen |
        was kann ich dich fragen | wie funktioniert das""",
    "es": """
        hola | buenos días | buenas tardes | buenas noches | buenas /
        gracias | muchas gracias /
        ayuda | qué es esto | de qué trata | de qué trata esto | de qué trata este libro |
        de qué trata el libro | quién eres | qué eres | qué puedes hacer | qué sabes hacer |
        qué puedo preguntar | cómo funciona | cómo funciona esto""",
    "fr": """
        bonjour | bonsoir | salut /
        merci | merci beaucoup /
        aide | aide-moi | qu'est-ce que c'est | qu'est ce que c'est | c'est quoi |
        de quoi ça parle | de quoi parle ce livre | de quoi parle le livre | de quoi s'agit-il |
        qui es-tu | qui êtes-vous | que peux-tu faire | que pouvez-vous faire |
        que puis-je demander | comment ça marche""",
    "it": """
        ciao | buongiorno | buonasera /
        grazie | grazie mille | molte grazie /
        aiuto | cos'è questo | che cos'è questo | di cosa parla | di cosa si tratta |
        di cosa parla questo libro | di cosa parla il libro | chi sei | cosa sai fare |
        cosa puoi fare | cosa posso chiedere | come funziona""",
    "nl": """
        hallo | hoi | goedemorgen | goedemiddag | goedenavond | goedendag | dag /
        bedankt | dank je | dank je wel | dank u | dank u wel | dankjewel | hartelijk dank /
        help mij | kun je me helpen | wat is dit | waar gaat dit over | waar gaat het over |
        waar gaat dit boek over | waar gaat het boek over | wat is dit voor boek | wie ben je |
        wie bent u | wat kun je | wat kunt u | wat kan ik vragen | wat kan ik je vragen |
        hoe werkt dit | hoe werkt het""",
    "pt": """
        olá | oi | bom dia | boa tarde | boa noite /
        obrigado | obrigada | muito obrigado | muito obrigada /
        ajuda | o que é isto | o que é isso | do que se trata | do que trata este livro |
        do que trata o livro | sobre o que é este livro | quem é você | quem és tu | o que você faz
        | o que você pode fazer | o que posso perguntar | como funciona | como isso funciona""",
    "ru": """
        привет | здравствуй | здравствуйте | добрый день | добрый вечер | доброе утро /
        спасибо | большое спасибо | спасибо большое /
        помощь | помоги | что это | что это такое | о чём это | о чём эта книга | о чём книга |
        кто ты | кто вы | что ты умеешь | что вы умеете | что можно спросить | о чём можно спросить
        | как это работает""",
    "ar": """
        مرحبا | أهلا | أهلا وسهلا | السلام عليكم | صباح الخير | مساء الخير /
        شكرا | شكرا جزيلا /
        مساعدة | ما هذا | ما هذا الكتاب | عن ماذا هذا الكتاب | عم يتحدث هذا الكتاب |
        عن ماذا يتحدث الكتاب | عن ماذا يتحدث هذا الكتاب | من أنت | ماذا يمكنك أن تفعل |
        ماذا يمكنني أن أسأل | كيف يعمل هذا""",
    "ur": """
        سلام | السلام علیکم | ہیلو | آداب /
        شکریہ | بہت شکریہ /
        مدد | یہ کیا ہے | یہ کس بارے میں ہے | یہ کتاب کس بارے میں ہے | یہ کتاب کس کے بارے میں ہے |
        آپ کون ہیں | تم کون ہو | آپ کیا کر سکتے ہیں | میں کیا پوچھ سکتا ہوں | میں کیا پوچھ سکتی ہوں
        | یہ کیسے کام کرتا ہے""",
    "he": """
        שלום | היי | בוקר טוב | ערב טוב | צהריים טובים /
        תודה | תודה רבה | המון תודה /
        עזרה | מה זה | על מה זה | על מה הספר | על מה הספר הזה | על מה מדבר הספר | מי אתה | מי את |
        מה אתה יודע לעשות | מה את יודעת לעשות | מה אפשר לשאול | מה אני יכול לשאול |
        מה אני יכולה לשאול | איך זה עובד""",
    "hi": """
        नमस्ते | नमस्कार | हैलो | सुप्रभात /
        धन्यवाद | शुक्रिया | बहुत धन्यवाद /
        मदद | यह क्या है | यह किस बारे में है | यह किताब किस बारे में है |
        यह किताब किसके बारे में है | आप कौन हैं | तुम कौन हो | आप क्या कर सकते हैं |
        मैं क्या पूछ सकता हूँ | मैं क्या पूछ सकती हूँ | यह कैसे काम करता है""",
    "zh": """
        你好 | 您好 | 嗨 | 早上好 | 下午好 | 晚上好 /
        谢谢 | 多谢 | 谢谢你 | 非常感谢 | 謝謝 /
        帮助 | 这是什么 | 这是什么书 | 这本书讲什么 | 这本书讲的是什么 |
        这本书是关于什么的 | 這本書講什麼 | 你是谁 | 你是誰 | 你能做什么 | 你会什么 |
        我可以问什么 | 怎么用""",
    "ja": """
        こんにちは | こんばんは | おはよう | おはようございます | はじめまして /
        ありがとう | ありがとうございます | どうも /
        ヘルプ | これは何 | これは何ですか | 何の本ですか | この本は何ですか |
        これは何についての本ですか | この本は何について書かれていますか | あなたは誰ですか |
        何ができますか | 何を聞けますか | 使い方""",
}
"""Per language: greetings, thanks, and questions about the book, separated by slashes."""

_TEXTS = {
    "en": """
        The book does not seem to say anything about that. Asking in other words may help.
        These are the sections nearest to your question; they may or may not answer it.
        Read on
        Welcome! Ask a question about this book.
        You are welcome. Ask again whenever you like.
        You can ask about:
        Elsewhere in the book:""",
    "de": """
        Dazu scheint das Buch nichts zu sagen. Vielleicht hilft es, anders zu fragen.
        Diese Abschnitte kommen Ihrer Frage am nächsten; vielleicht beantworten sie sie nicht ganz.
        Weiterlesen
        Willkommen! Stellen Sie eine Frage zu diesem Buch.
        Gern geschehen. Fragen Sie jederzeit weiter.
        Sie können zum Beispiel fragen nach:
        An anderer Stelle im Buch:""",
    "es": """
        El libro no parece decir nada sobre eso. Quizá ayude preguntar con otras palabras.
        Estas son las secciones más cercanas a su pregunta; puede que la respondan o no.
        Seguir leyendo
        ¡Bienvenido! Haga una pregunta sobre este libro.
        De nada. Pregunte cuando quiera.
        Puede preguntar sobre:
        En otras partes del libro:""",
    "fr": """
        Le livre ne semble rien dire à ce sujet. Essayez avec d'autres mots.
        Voici les sections les plus proches de votre question ; elles y répondent peut-être.
        Lire la suite
        Bienvenue ! Posez une question sur ce livre.
        Je vous en prie. Posez d'autres questions quand vous voulez.
        Vous pouvez demander par exemple :
        Ailleurs dans le livre :""",
    "it": """
        Il libro non sembra dire nulla in proposito. Prova a chiederlo con altre parole.
        Queste sono le sezioni più vicine alla domanda; potrebbero contenere la risposta o no.
        Continua a leggere
        Ciao! Fai una domanda su questo libro.
        Prego. Chiedi pure quando vuoi.
        Puoi chiedere, per esempio, di:
        Altrove nel libro:""",
    "nl": """
        Het boek lijkt daar niets over te zeggen. Misschien helpt het om het anders te vragen.
        Deze secties komen het dichtst bij uw vraag; misschien staat het antwoord erin.
        Lees verder
        Welkom! Stel een vraag over dit boek.
        Graag gedaan. Vraag gerust verder.
        U kunt bijvoorbeeld vragen naar:
        Elders in het boek:""",
    "pt": """
        O livro não parece dizer nada sobre isso. Talvez ajude perguntar com outras palavras.
        Estas são as seções mais próximas da sua pergunta; podem respondê-la ou não.
        Continuar a ler
        Bem-vindo! Faça uma pergunta sobre este livro.
        De nada. Pergunte sempre que quiser.
        Pode perguntar sobre:
        Em outras partes do livro:""",
    "ru": """
        Похоже, в книге об этом ничего нет. Попробуйте спросить другими словами.
        Вот разделы, наиболее близкие к вашему вопросу; возможно, ответ в них.
        Читать дальше
        Здравствуйте! Задайте вопрос об этой книге.
        Пожалуйста. Спрашивайте в любое время.
        Можно спросить, например, о таких темах:
        В других местах книги:""",
    "ar": """
        لا يبدو أن الكتاب يقول شيئًا عن ذلك. جرّب صياغة السؤال بكلمات أخرى.
        هذه أقرب الأقسام إلى سؤالك، وقد تجيب عنه أو لا تجيب.
        تابع القراءة
        مرحبًا! اطرح سؤالًا عن هذا الكتاب.
        على الرحب والسعة. اسأل متى شئت.
        يمكنك أن تسأل عن:
        في مواضع أخرى من الكتاب:""",
    "ur": """
        لگتا ہے کہ کتاب میں اس کے بارے میں کچھ نہیں ہے۔ دوسرے الفاظ میں پوچھ کر دیکھیں۔
        یہ حصے آپ کے سوال کے سب سے قریب ہیں؛ ممکن ہے جواب ان میں ہو یا نہ ہو۔
        آگے پڑھیں
        خوش آمدید! اس کتاب کے بارے میں کوئی سوال پوچھیں۔
        کوئی بات نہیں۔ جب چاہیں پوچھیں۔
        آپ ان موضوعات کے بارے میں پوچھ سکتے ہیں:
        کتاب میں دوسری جگہ:""",
    "he": """
        נראה שהספר אינו אומר על כך דבר. אולי כדאי לנסח את השאלה אחרת.
        אלה הקטעים הקרובים ביותר לשאלה; ייתכן שהתשובה נמצאת בהם וייתכן שלא.
        להמשך קריאה
        ברוכים הבאים! אפשר לשאול שאלה על הספר הזה.
        בשמחה. אפשר לשאול שוב בכל עת.
        אפשר לשאול למשל על:
        במקומות אחרים בספר:""",
    "hi": """
        लगता है कि किताब में इसके बारे में कुछ नहीं है। दूसरे शब्दों में पूछकर देखें।
        ये भाग आपके सवाल के सबसे क़रीब हैं; हो सकता है कि जवाब इनमें हो या न हो।
        आगे पढ़ें
        स्वागत है! इस किताब के बारे में कोई सवाल पूछें।
        आपका स्वागत है। जब चाहें, फिर पूछें।
        आप इन विषयों के बारे में पूछ सकते हैं:
        किताब में दूसरी जगह:""",
    "zh": """
        书中似乎没有提到这一点。换个说法再问一次也许会有帮助。
        以下是与您的问题最接近的章节，其中可能有答案，也可能没有。
        继续阅读
        欢迎！请问一个关于这本书的问题。
        不客气。欢迎随时继续提问。
        您可以询问：
        书中其他地方：""",
    "ja": """
        この本にはそのことが書かれていないようです。別の言葉で質問してみてください。
        質問に最も近い節です。答えが書かれているとは限りません。
        続きを読む
        ようこそ！この本について質問してください。
        どういたしまして。いつでもまた質問してください。
        たとえば次のことを質問できます：
        本のほかの箇所：""",
}
"""Fixed texts per language, in the order of `Key`."""

_LONGEST_HEADER = 1000
_QUALITY = re.compile(r"(?:\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")
_KINDS: tuple[SmallTalk, ...] = get_args(SmallTalk)
_LONGEST = 7
"""Number of words in the longest phrase."""
_SEPARATING = {"Po", "So"}
"""Unicode categories that separate words: punctuation such as "," and "¿", and emoji."""
_CODE_SIGNS = "/\\#%&@*"
"""Exceptions, which change the meaning of the word they touch: `/help` is not small talk."""


def classify_small_talk(question: str) -> SmallTalk | None:
    """Classify a message that consists only of known phrases. Return None for any other.

    Case, accents, punctuation and emoji are ignored. "Hi! What is this about?" is a question about
    the book, and so is a message without words.
    """
    said = _match_phrases(question)
    if said is None:
        return None
    return max((_phrases()[phrase][0] for phrase in said), key=_KINDS.index, default="about")


def reply_language(question: str, book: str = "en", reader: str = "") -> str:
    """Return the language to reply in: that of a known phrase, or else as guessed.

    `reader` is the language of the reader's browser, if there are texts in it, and `book` that of
    the book. They are preferred, in this order, if the phrase exists in that language too, or if
    the question does not tell its language.
    """
    likely = reader if primary_subtag(reader) in _TEXTS else ""
    said = _match_phrases(question)
    if not said:
        return guess_language(question, book, likely)
    languages = _phrases()[said[-1]][1]
    named = (name for name in (likely, book) if primary_subtag(name) in languages)
    return next(named, languages[0])


def accepted_language(header: str) -> str:
    """Return the best language of an Accept-Language header that has fixed texts, or ""."""
    best, quality = "", 0.0
    for item in header[:_LONGEST_HEADER].split(","):
        name, _, weight = item.partition(";")
        found = _QUALITY.fullmatch(weight)
        q = float(found[1] or 1.0) if found else 0.0
        if q > quality and primary_subtag(name.strip()) in _TEXTS:
            best, quality = name.strip(), q
    return best


def fixed_text(key: Key, language: str) -> str:
    """Return a fixed text. Falls back to English."""
    lines = _TEXTS.get(primary_subtag(language), _TEXTS["en"]).split("\n")
    return lines[1 + get_args(Key).index(key)].strip()


def _match_phrases(question: str) -> list[str] | None:
    """Split a message into known phrases. Return None if it contains other words."""
    words, known = _words(question), _phrases()
    said: list[str] = []
    start = 0
    while start < len(words):
        starts = (" ".join(words[start : start + n]) for n in range(_LONGEST, 0, -1))
        phrase = next((words for words in starts if words in known), "")
        if not phrase:
            return None
        said.append(phrase)
        start += phrase.count(" ") + 1
    return said


@cache
def _phrases() -> dict[str, tuple[SmallTalk, list[str]]]:
    """Return the kind and the languages of each known phrase."""
    found: dict[str, tuple[SmallTalk, list[str]]] = {}
    for language, phrases in _PHRASES.items():
        for kind, listed in zip(_KINDS, phrases.split("/"), strict=True):
            for phrase in listed.split("|"):
                found.setdefault(" ".join(_words(phrase)), (kind, []))[1].append(language)
    return found


def _words(text: str) -> list[str]:
    kept = []
    for c in visible.normalize("NFKD", normalize(text).casefold()):
        category = unicodedata.category(c)
        if c == "'" or category.startswith("M"):
            continue
        kept.append(" " if category in _SEPARATING and c not in _CODE_SIGNS else c)
    return [word for word in "".join(kept).split() if any(map(str.isalnum, word))]
