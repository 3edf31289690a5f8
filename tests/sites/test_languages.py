"""The language of each page: declared, wrong, missing, and the choice of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rag.errors import SourceError
from rag.models import Block, Page, Section
from sites import Book, in_language, read_book
from sites.languages import language_tag, settle_languages, written_in

TEXTS = {
    "en": "Install the package and then run the command. It reads the settings from the folder "
    "that you name, and writes the result to a file next to it.",
    "de": "Installieren Sie das Paket und führen Sie dann den Befehl aus. Er liest die "
    "Einstellungen aus dem Ordner, den Sie nennen, und schreibt das Ergebnis in eine Datei.",
    "fr": "Installez le paquet, puis lancez la commande. Elle lit la configuration du dossier que "
    "vous indiquez et écrit le résultat dans un fichier à côté.",
    "es": "Instale el paquete y luego ejecute el comando. Lee la configuración de la carpeta que "
    "usted indique y escribe el resultado en un archivo al lado.",
    "pt": "Instale o pacote e depois execute o comando. Ele lê a configuração da pasta que você "
    "indicar e escreve o resultado em um arquivo ao lado.",
    "ru": "Установите пакет и выполните команду.",
    "zh": "安装软件包，然后运行命令。",
    "ja": "パッケージをインストールし、コマンドを実行します。",
}
UNKNOWN = {
    "pl": "Zainstaluj pakiet, a następnie uruchom polecenie. Odczytuje ono konfigurację z folderu, "
    "który podasz, i zapisuje wynik do pliku obok.",
    "sv": "Installera paketet och kör sedan kommandot. Det läser inställningarna från mappen som "
    "du anger och skriver resultatet till en fil bredvid.",
    "ca": "Instal·leu el paquet i després executeu l'ordre. Llegeix la configuració de la carpeta "
    "que indiqueu i escriu el resultat en un fitxer al costat.",
}


def page(path: str, text: str, language: str = "") -> Page:
    return Page(path, "T", path, (Section("T", 1, "", (), (Block("paragraph", text),)),), language)


def languages(book: Book) -> dict[str, str]:
    return {page.source_path: page.language for page in book.pages}


def book_of(folder: Path, files: dict[str, str]) -> Book:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    return read_book(folder)


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        *(("pt_br", "pt-BR"), ("EN-us", "en-US"), ("zh-hant-tw", "zh-Hant-TW"), (" fr ", "fr")),
        *(("english", ""), ("{{ lang }}", ""), (["de", "en"], ""), (None, ""), (12, ""), ("", "")),
        (False, "no"),
    ],
)
def test_tags(written: object, tag: str) -> None:
    assert language_tag(written) == tag


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_shows_its_language(language: str) -> None:
    assert written_in(page("a", TEXTS[language])) == language


@pytest.mark.parametrize(
    "text",
    [
        *UNKNOWN.values(),
        *("", "Kurz.", "Los Angeles de la Rosa", "`der die das und oder ist nicht`" * 9),
        *("a b c d e o y i " * 5, "Link a, picture o, button e. " * 4),
    ],
)
def test_a_text_that_shows_none(text: str) -> None:
    assert written_in(page("a", text)) == ""


def test_code_and_tables_do_not_count() -> None:
    blocks = (Block("code", f"```\n{TEXTS['de']}\n```"), Block("table", f"| {TEXTS['fr']} |"))
    section = Section("T", 1, "", (), (*blocks, Block("paragraph", TEXTS["en"])))
    assert written_in(replace(page("a", ""), sections=(section,))) == "en"


@pytest.mark.parametrize("own", ["", "en", "en-US"])
def test_a_book_that_is_not_written_in_what_it_declares(own: str) -> None:
    pages = [page(name, TEXTS["de"], own) for name in "ab"]
    pages += [page("short", "Kurz.", own), page("english", TEXTS["en"], own)]
    settled = settle_languages(Book("", own, "plain", tuple(pages)))
    assert settled.language == "de"
    assert languages(settled) == {"a": "de", "b": "de", "short": "de", "english": own or "en"}


@pytest.mark.parametrize(("own", "text"), [("pl", TEXTS["en"]), ("en", UNKNOWN["pl"])])
def test_a_language_that_cannot_be_judged_is_kept(own: str, text: str) -> None:
    settled = settle_languages(Book("", own, "plain", (page("a", text, own),)))
    assert (settled.language, languages(settled)) == (own, {"a": own})


@pytest.mark.parametrize("tag", ["fr", "pt-BR"])
def test_a_page_that_is_not_translated_yet_keeps_its_language(tag: str) -> None:
    pages = (page("a", TEXTS["en"], "en"), page("fr/a", TEXTS["en"], tag))
    assert languages(settle_languages(Book("", "en", "x", pages))) == {"a": "en", "fr/a": tag}


def test_one_page_in_another_language_changes_no_other() -> None:
    pages = (page("a", "Short.", "en"), page("b", "Shorter.", "en"), page("c", TEXTS["ru"], "en"))
    settled = settle_languages(Book("", "en", "x", pages))
    assert languages(settled) == {"a": "en", "b": "en", "c": "ru"}


def test_a_plain_folder_in_several_languages(tmp_path: Path) -> None:
    files = {f"{name}/a.md": f"# A\n\n{text}" for name, text in TEXTS.items()}
    files |= {"README.zh-CN.md": f"# A\n\n{TEXTS['zh']}", "lang.md": "---\nlang: pt_BR\n---\nOi"}
    files |= {"language.md": "---\nlanguage: no\n---\nHei", "wrong.md": "---\nlang: C++\n---\nx"}
    found = languages(book_of(tmp_path, files))
    assert {path.split("/")[0]: tag for path, tag in found.items() if "/" in path} == {
        name: name for name in TEXTS
    }
    assert found["README.zh-CN.md"] == "zh"
    assert (found["lang.md"], found["language.md"], found["wrong.md"]) == ("pt-BR", "no", "en")


@pytest.mark.parametrize(
    ("html", "tag"),
    [
        ('<html lang="fr"><body><p>x', "fr"),
        ('<html lang="fr_ca"><body><p>x', "fr-CA"),
        ('<html xml:lang="de"><body><p>x', "de"),
        ('<html><body lang="es"><p>x', "es"),
        ('<html lang="en"><body><main lang="nl"><p>x', "nl"),
        ('<html><head><meta http-equiv="Content-Language" content="it, en"></head><p>x', "it"),
        (f'<html lang="en"><p>{TEXTS["fr"]}', "fr"),
        ("<html><p>x", "en"),
        ('<html lang="{{ lang }}"><p>x', "en"),
        ('<html lang="en"><body><p lang="fr">Un mot.</p>', "en"),
    ],
)
def test_built_html(tmp_path: Path, html: str, tag: str) -> None:
    index = '<html lang="en"><p>Start.'
    assert languages(book_of(tmp_path, {"a.html": html, "index.html": index}))["a.html"] == tag


@pytest.mark.parametrize("index", [True, False])
def test_built_html_without_a_language_has_that_of_the_others(tmp_path: Path, index: bool) -> None:
    files = {"about.html": "<html><p>Court.", "b.html": '<html lang="fr"><p>Mot.'}
    files["index.html" if index else "c.html"] = '<html lang="fr"><p>Mot encore.'
    assert set(languages(book_of(tmp_path, files)).values()) == {"fr"}


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("pt", "pt-BR pt-PT"),
        ("pt-br", "pt-BR"),
        ("pt-AO", "pt-BR pt-PT"),
        ("zh-Hant", "zh-TW"),
        ("zh-HK", "zh-TW"),
        ("zh-Hans", "zh-CN"),
        ("zh", "zh-CN zh-TW"),
        ("EN_us", "en"),
        ("sr-Latn", "sr-Latn-RS"),
    ],
)
def test_the_nearest_language_is_chosen(tag: str, found: str) -> None:
    tags = ("en", "pt-BR", "pt-PT", "zh-CN", "zh-TW", "sr-Cyrl", "sr-Latn-RS")
    book = Book("", "en", "x", tuple(page(each, "x", each) for each in tags))
    assert " ".join(page.source_path for page in in_language(book, tag).pages) == found


@pytest.mark.parametrize("tag", ["deu", "deutsch", "fr", "?"])
def test_a_language_that_is_not_there(tag: str) -> None:
    book = Book("", "en", "x", (page("a", "x", "en"), page("b", "x", "de")))
    with pytest.raises(
        SourceError, match=r"no pages in the language .*; there are pages in de, en"
    ):
        in_language(book, tag)


@pytest.mark.parametrize("heading", ["दليل/صفحة", "विषय सूची: पहला और दूसरा", "目录", "/دليل/صفحة"])
def test_a_heading_alone_shows_nothing(heading: str) -> None:
    section = Section(heading, 1, "", (), (Block("paragraph", "The words of 7."),))
    short = replace(page("a", "", "en"), sections=(section,))
    pages = (page("b", TEXTS["en"], "en"), short)
    assert languages(settle_languages(Book("", "en", "x", pages)))["a"] == "en"
