"""Questions in another language than the book, with a multilingual embedding model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from rag.adapters.embedding.cohere import CohereEmbedder
from rag.adapters.embedding.minilm import LocalEmbedder
from rag.language.detect import is_in_other_language
from tests.support.service import Service, environment, run, serving
from tests.upstreams import Upstreams

PAGES = {
    "install": "Run the setup program of the server on Docker. It takes a minute.",
    "backup": "Every night a copy is written to the second disk. Keep it for a week.",
    "colours": "Colours are given as hexadecimal numbers or by their English name.",
    "licence": "The licence allows any use, as long as the notice is kept.",
    "network": "A request is tried three times before the network layer gives up.",
    "radio": "The radio plays important information about the port in the capital.",
}
MODEL = "embed-multilingual-v3.0"


@pytest.fixture(scope="module")
def up() -> Iterator[Upstreams]:
    with Upstreams() as up:
        yield up


@pytest.fixture(scope="module")
def service(up: Upstreams, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("languages")
    (folder / "book").mkdir()
    for name, text in PAGES.items():
        (folder / "book" / f"{name}.md").write_text(f"# {name.capitalize()}\n\n{text}\n")
    variables = {**up.environ(), "COHERE_EMBED_MODEL": MODEL, "DATA_DIR": str(folder / "data")}
    del variables["OPENAI_API_KEY"]
    finished = run("ingest.py", str(folder / "book"), env=environment(**variables))
    assert finished.returncode == 0, finished.stderr
    with serving(folder / "log", **variables) as running:
        yield running


def ask(service: Service, question: str) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.post(
        f"{service.url}/chat", json={"message": question}, timeout=60
    ).json()
    return answer


RIGHT = [
    ("Comment mettre en place le programme du serveur sur mon ordinateur ?", 0.45),
    ("Wie richte ich das Programm des Servers auf dem Rechner ein?", 0.5),
    ("¿Cómo pongo en marcha el servidor en mi ordenador con Docker?", 0.55),
    ("Como é que ponho o servidor a funcionar no meu computador?", 0.45),
    ("サーバーをコンピューターに導入するにはどうすればよいですか？", 0.5),
    ("如何在我的电脑上安装服务器？", 0.45),
    ("Как установить сервер на мой компьютер с Docker?", 0.5),
    ("كيف أثبت الخادم على جهاز الكمبيوتر الخاص بي؟", 0.48),
]
NOISE = [
    "Quel port de la radio est le plus important en Bolivie ?",
    "Wie lange hält sich gekochter Reis im Kühlschrank in der Woche?",
    "¿Quién ganó la copa del mundo de fútbol en la radio?",
    "冷蔵庫でご飯はどのくらい保存できますか？",
]


@pytest.mark.parametrize(("question", "cosine"), RIGHT)
def test_meaning_finds_the_passage(
    service: Service, up: Upstreams, question: str, cosine: float
) -> None:
    up.cohere.near[question] = ("Run the setup program", cosine)
    answer = ask(service, question)
    assert answer["metadata"]["found"] == "answer"
    assert answer["sources"][0]["source_path"] == "install.md"


@pytest.mark.parametrize("question", NOISE)
def test_what_the_book_does_not_say_is_not_answered(
    service: Service, up: Upstreams, question: str
) -> None:
    """Not even where a passage has several of its words by accident."""
    up.cohere.near[question] = ("The radio plays", 0.3)
    assert ask(service, question)["metadata"]["found"] != "answer"


@pytest.mark.parametrize("question", [question for question, _ in RIGHT])
def test_the_language_is_recognized(question: str) -> None:
    assert is_in_other_language(question, "en")


@pytest.mark.parametrize(
    "question",
    [
        "How do I set up the server on my computer?",
        "docker compose setup",
        "What does `para qué es` mean?",
        "Which name of a colour is valid?",
        "café résumé naïve",
    ],
)
def test_a_question_in_the_language_of_the_book(question: str) -> None:
    assert not is_in_other_language(question, "en")


def test_an_english_model_still_needs_words() -> None:
    """It does not bring such a question near its answer, but near others by chance."""
    assert not LocalEmbedder().is_multilingual
    assert not CohereEmbedder("key", "embed-english-v3.0").is_multilingual
    assert CohereEmbedder("key", MODEL).is_multilingual
    assert CohereEmbedder("key", "embed-v4.0").is_multilingual
