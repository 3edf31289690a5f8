"""Words, sentences and sparse vectors in many scripts."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.language.detect import guess_language
from rag.language.sentences import sentences
from rag.language.stop_words import STOP_WORDS
from rag.language.tokens import (
    content_words,
    question_terms,
    sparse_passage,
    sparse_question,
    term_hashes,
)

LATIN = ["de", "en", "es", "fr", "id", "it", "nl", "pt", "tr"]
WORDS = sorted(word for language in LATIN for word in STOP_WORDS[language] if word.isalpha())


def shares(passage: str, question: str, language: str = "en") -> bool:
    """Whether every term of the question that is not derived stands in the passage."""
    asked = sparse_question(question, language)
    wanted = {t for t, weight in zip(asked.indices, asked.values, strict=True) if weight == 1.0}
    return bool(wanted) and wanted <= term_hashes(passage, language)


@pytest.mark.parametrize(
    ("passage", "question"),
    [
        ("Call `createSlice` once.", "createSlice"),
        ("Call `createSlice` once.", "What is a slice?"),
        ("Call `createSlice` once.", "createslice"),
        ("The flag --dry-run prints the cost.", "What does --dry-run do?"),
        ("The flag --dry-run prints the cost.", "dry run"),
        ("Set use_state to true.", "useState"),
        ("A std::vec grows.", "std::vec"),
        ("A std::vec grows.", "vec"),
        ("It is written in C++ and C#.", "Is it in C++?"),
        ("`?` is an operator that returns early.", "What is the ? operator?"),
        ("The ? operator returns early.", "What is the `?` operator?"),
        ("Compare with `===`, not with `==`.", "Compare with ===?"),
        ("It is `null` or undefined: `a ?? b`", "What is ??"),
        ("The ? operator returns early.", "early? (? operator)"),
        ("The unit type is `()`.", "type `()`"),
        ("Send an e-mail.", "How do I send email?"),
        ("It costs $1,000.", "What costs 1000?"),
        ("Needs Python 3.11.", "Python 3.11"),
        ("President Biden’s administration", "biden administrations"),
        ("The café is open.", "Which cafes are open?"),
        ("React.createElement makes elements", "createElement"),
    ],
)
def test_english_and_code_are_found(passage: str, question: str) -> None:
    assert shares(passage, question)


@pytest.mark.parametrize(
    "text", ["Redux ?", "so ... or -- so !!", "a & b | c", "| --- | --- |", "f (?)"]
)
def test_signs_that_nobody_speaks_about_are_no_terms(text: str) -> None:
    plain = "".join(c if c.isalnum() else " " for c in text)
    assert term_hashes(text) == term_hashes(plain)


@pytest.mark.parametrize(
    ("language", "passage", "question"),
    [
        ("de", "Die Häuser stehen in großen Straßen.", "Wo steht das Haus in der grossen Strasse?"),
        ("fr", "L'installation des modules est rapide.", "Comment installer un module ?"),
        ("ru", "Книги лежат на столах.", "Где лежит книга на столе?"),
        ("ar", "تُستخدم المكتبات في البرامج.", "ما هي المكتبة؟"),
        ("ur", "یہ کتاب ملکیت کے بارے میں ہے۔", "ملکیت کیا ہے؟"),
        ("ur", "يہ كتاب ہے", "کتاب کیا ہے؟"),
        ("fa", "این کتاب‌ها خوب هستند.", "کتاب‌ها چیست؟"),
        ("hi", "किताबें मेज़ पर हैं।", "किताब कहाँ है?"),
        ("zh", "所有权是Rust最独特的特性。", "什么是所有权？"),
        ("zh", "所有权是Rust最独特的特性。", "Rust的特性"),
        ("zh-Hans", "所有权是Rust最独特的特性。", "RUST"),
        ("ja", "所有権はメモリを管理する仕組みです。", "所有権とは何ですか"),
        ("ko", "소유권은 메모리를 관리하는 규칙이다.", "소유권"),
        ("th", "ความเป็นเจ้าของคือกฎ", "เจ้าของ คืออะไร"),
        ("vi", "Quyền sở hữu là quy tắc", "quyền sở hữu"),
        ("ur", "Rust میں ownership کے قواعد", "rules of ownership"),
    ],
)
def test_other_languages_are_found(language: str, passage: str, question: str) -> None:
    asked = set(sparse_question(question, language).indices)
    assert asked & set(sparse_passage(passage, language).indices)


def test_question_words_are_left_out_unless_there_is_nothing_else() -> None:
    assert content_words("How do I install the server?") == ["install", "server"]
    assert content_words("¿Cómo puedo instalar el servidor?", "es") == ["instalar", "servidor"]
    assert set(question_terms("To be or not to be?")) == {"to", "be", "or", "not"}
    assert question_terms("") == {}


def test_a_question_surely_in_another_language_loses_the_stop_words_of_that_language() -> None:
    assert content_words("¿Qué es un reducer?", "en") == ["reducer"]
    assert content_words("Was ist das Ownership?", "en") == ["Ownership"]
    assert content_words("How do I install the Server?", "de") == ["install", "Server"]
    assert content_words("Wie installiere ich den Server?", "de") == ["installiere", "Server"]
    assert content_words("什么是所有权？", "en") == ["是所有权"]
    assert content_words("What is ownership?", "zh") == ["ownership"]
    assert content_words("Wie viele Tests laufen in dem Browser?", "en") == [
        "Tests",
        "laufen",
        "Browser",
    ]


@pytest.mark.parametrize(
    ("question", "language", "words"),
    [
        ("die", "en", ["die"]),
        ("When do the processes die?", "en", ["processes", "die"]),
        ("MIT license", "en", ["MIT", "license"]),
        ("Is it under the MIT license?", "en", ["MIT", "license"]),
        ("AI agents", "en", ["AI", "agents"]),
        ("import it", "en", ["import"]),
        ("Is IT the same as AI?", "en", ["IT", "AI"]),
        ("What do OR and DO mean?", "en", ["OR", "DO"]),
        ("Steht das Projekt unter der MIT License?", "de", ["Steht", "Projekt", "MIT", "License"]),
        ("que es una accion y donde esta", "es", ["accion"]),  # accents left out
        ("classes of class", "en", ["classes", "class"]),
    ],
)
def test_a_word_is_dropped_only_in_the_language_of_the_question(
    question: str, language: str, words: list[str]
) -> None:
    assert content_words(question, language) == words


@given(st.lists(st.sampled_from([*WORDS, "vite", "MIT", "Server"])), st.sampled_from(LATIN))
def test_dropped_words_are_stop_words_of_one_language(words: list[str], language: str) -> None:
    kept = content_words(" ".join(words), language)
    spoken = guess_language(" ".join(words), language)
    assert kept == content_words(" ".join(words), spoken)
    assert {"vite", "MIT", "Server"} & set(words) <= set(kept)
    assert bool(question_terms(" ".join(words), language)) == bool(words)


def test_sparse_values_are_bm25_and_depend_on_the_passage_alone() -> None:
    once = sparse_passage("cat " + "x" * 996)  # as long as a usual passage: 1,000 characters
    twice = sparse_passage("cat cat " + "x" * 992)
    (cat,) = sparse_question("cats").indices
    values = [dict(zip(v.indices, v.values, strict=True))[cat] for v in (once, twice)]
    assert values == pytest.approx([1.7 / 1.7, 2 * 1.7 / 2.7])


def test_indices_are_stable_between_processes() -> None:
    code = (
        "from rag.language.tokens import sparse_question; "
        "print(sparse_question('Where is the café?'))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ".", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {f"{sparse_question('Where is the café?')}\n"}


@given(st.text(max_size=200), st.sampled_from(["en", "de", "ar", "hi", "zh", "ja", "th", "xx", ""]))
def test_any_text_makes_a_valid_vector(text: str, language: str) -> None:
    for vector in (sparse_passage(text, language), sparse_question(text, language)):
        assert list(vector.indices) == sorted(set(vector.indices))
        assert all(0 <= index < 2**32 for index in vector.indices)
        assert all(value > 0 for value in vector.values)
        assert len(vector.indices) == len(vector.values)


def test_hostile_lines_is_read_in_linear_time() -> None:
    for part in ("a", "a-", ".", '".', "\n", "::", "`. "):
        text = part * (300_000 // len(part))
        sparse_passage(text)
        sentences(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. J. Smith came. He left.", ["Dr. J. Smith came.", "He left."]),
        ("Use e.g. `a. B` here. Then stop.", ["Use e.g. `a. B` here.", "Then stop."]),
        ("Version 1.2.3 is out. See node.js.", ["Version 1.2.3 is out.", "See node.js."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("所有権とは規則です。「はい。」次。", ["所有権とは規則です。", "「はい。」", "次。"]),
        ("کیا یہ ہے؟ جی ہاں۔ ٹھیک۔", ["کیا یہ ہے؟", "جی ہاں۔", "ٹھیک۔"]),
        ("यह है। वह था।", ["यह है।", "वह था।"]),
        ("no end", ["no end"]),
        ("  ", []),
    ],
)
def test_sentences(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@given(st.text(alphabet="aB .!?`。\n'\"", max_size=80))
def test_sentences_lose_nothing(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How do I install it?", "en"),
        ("Wie kann ich das installieren?", "de"),
        ("Wo finde ich die Konfiguration für den Proxy?", "de"),
        ("¿Cómo lo instalo en el servidor?", "es"),
        ("que es un reducer y para que sirve", "es"),
        ("Comment installer le serveur sur Linux ?", "fr"),
        ("Qu’est-ce que la propriété ?", "fr"),
        ("Come posso definire le variabili d'ambiente?", "it"),
        ("Qual é a diferença entre Vite e Webpack?", "pt"),
        ("Por que o meu arquivo não é carregado?", "pt"),
        ("Wat is het verschil tussen Vite en Webpack?", "nl"),
        ("Hoe installeer ik de server op Linux?", "nl"),
        ("Bu dosya neden ve nasıl yüklenir?", "tr"),
        ("Apa perbedaan antara Vite dan Webpack?", "id"),
        ("Что такое владение?", "ru"),
        ("یہ کتاب کس بارے میں ہے؟", "ur"),
        ("این کتاب درباره چیست؟", "fa"),
        ("ما هو هذا الكتاب؟", "ar"),
        ("स्वामित्व क्या है?", "hi"),
        ("这本书讲的是什么？", "zh"),
        ("これは何ですか", "ja"),
        ("Vite と Webpack の違いは？", "ja"),
        ("소유권이란 무엇인가요?", "ko"),
        ("ความเป็นเจ้าของคืออะไร", "th"),
        ("Τι είναι το βιβλίο;", "el"),
        ("מה זה הספר?", "he"),
    ],
)
@pytest.mark.parametrize("default", ["en", "nl-BE", "zh", "pl"])
def test_a_sentence_tells_its_language(question: str, language: str, default: str) -> None:
    assert guess_language(question, default).split("-")[0] == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Kubernetes",
        "MIT license",
        "AI agents",
        "die",
        "import it",
        "docker on a mac",
        "die hard or die young",
        "Rock und Rollup plugin",
        "Como instalo o servidor no Linux?",  # Portuguese or Spanish
        "IS IT AN AI?",
        "What is π?",
        "???",
    ],
)
def test_too_little_evidence_leaves_it_to_the_book(text: str) -> None:
    for default in ("fr", "ja", "zh-Hant", ""):
        assert guess_language(text, default) == default


@given(st.lists(st.sampled_from(WORDS), max_size=3), st.sampled_from(["en", "de", "ja", "xx"]))
def test_three_words_are_no_sentence(words: list[str], default: str) -> None:
    assert guess_language(" ".join(words), default) == default


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Que se passe-t-il si le serveur plante ?", "fr"),
        ("Existe-t-il une version mobile ?", "fr"),
        ("Où se trouve le fichier de configuration ?", "fr"),
        ("Onde fica o arquivo de configuração?", "pt"),
        ("De que cor é a saída no terminal?", "pt"),
        ("Quais são os requisitos do sistema?", "pt"),
        ("Qual è la capitale d'Italia?", "it"),
        ("Hoeveel katten wonen er in Amsterdam?", "nl"),
        ("Wie won de wedstrijd gisteren?", "nl"),
        ("Waar staat het configuratiebestand?", "nl"),
        ("Çıktının rengini nasıl değiştiririm?", "tr"),
        ("How to use の意味は何ですか", "ja"),
        ("`--allow-dirty` と `--no-verify` の違いは？", "ja"),
        ("Is there a は何ですか", "ja"),
        ("What does こんにちは mean in this book?", "en"),
        ("Why does `de la` appear in the output?", "en"),
        ("Чем `is not` отличается от `is a`?", "ru"),
    ],
)
def test_words_letters_and_scripts_are_weighed(question: str, language: str) -> None:
    for default in ("en", "de", "ko"):
        assert guess_language(question, default) == language


@pytest.mark.parametrize(
    "question",
    ["Como desativar o cache de testes?", "Como instalo o servidor no Linux?", "docker on a mac"],
)
def test_a_tie_is_no_evidence(question: str) -> None:
    assert guess_language(question, "de") == "de"
    assert guess_language(question, "de", "sv") == "sv"
    best = {"docker on a mac": "fr"}.get(question, "pt")
    assert guess_language(question, f"{best}-XX", "sv") == f"{best}-XX"
    assert guess_language(question, "de", best) == best


def test_letters_decide_between_languages_with_as_many_stop_words() -> None:
    assert guess_language("Como instalo o servidor no Linux e a extensão?") == "pt"
    assert guess_language("¿Como instalo no servidor o Linux?") == "es"
    assert guess_language("¿Como instalo no servidor o Linux?", "pt") == "es"


def test_a_script_of_several_languages_is_the_one_of_the_book() -> None:
    assert guess_language("所有権", "ja") == "ja"
    assert guess_language("所有権", "zh-Hant") == "zh-Hant"
    assert guess_language("所有権", "en") == "zh"
    assert guess_language("Що це?", "uk") == "uk"
    assert guess_language("Що це за книга і о чем она?", "uk") == "uk"
    assert guess_language("Hoe kan ik de server instellen?", "nl-BE") == "nl-BE"
    assert guess_language("سلام", "ur") == "ur"


def test_stop_words_can_be_met() -> None:
    """Each is one word as questions are read, so that no entry is dead."""
    for language in STOP_WORDS.keys() - {"ja", "th", "zh"}:
        for word in STOP_WORDS[language]:
            assert content_words(f"{word} 1", language) == ["1"], word
