"""The command `ingest.py`: what its user types, reads and gets back."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import ingest
from rag.adapters.embedding.cohere import CohereEmbedder
from rag.adapters.vector_store.edge import EdgeStore
from rag.indexing.console import ProgressBar
from rag.indexing.indexer import Progress
from rag.interfaces import Embedder
from rag.models import IndexInfo
from tests.support import service
from tests.support.offline import Offline
from tests.support.points import HashEmbedder, run
from tests.upstreams import Upstreams

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def book(tmp_path: Path) -> Path:
    folder = tmp_path / "book"
    (folder / "guide").mkdir(parents=True)
    (folder / "README.md").write_text("# My Book\n\nWelcome, reader.\n\n## Install\n\nRun it.\n")
    for n in range(3):
        text = "".join(f"## Step {k}\n\n{f'Word{n}{k} is explained. ' * 40}\n\n" for k in range(3))
        (folder / "guide" / f"part-{n}.md").write_text(f"# Part {n}\n\n{text}")
    return folder


def call(data: Path, *arguments: object, embedder: Embedder | None = None, title: str = "") -> int:
    return ingest.main([str(a) for a in arguments], lambda: Offline(data, embedder, title))


async def info(data: Path) -> IndexInfo | None:
    store = EdgeStore(data)
    found = await store.info()
    await store.close()
    return found


def test_index_then_nothing_then_one_edit(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book) == 0
    out, err = capsys.readouterr()
    assert out.startswith("My Book: 4 pages (plain), 10 chunks\n")
    assert re.search(
        r"Indexed 4 pages, 10 chunks in [\d.]+ s: 10 embedded in 1 call, 0 reused", out
    )
    assert "embedded 10/10 chunks" in err

    assert call(tmp_path / "d", book) == 0
    assert "Nothing has changed; the index is up to date." in capsys.readouterr().out

    part = book / "guide" / "part-1.md"
    part.write_text(part.read_text().replace("Word11", "Changed"))
    assert call(tmp_path / "d", book) == 0
    assert ": 1 embedded in 1 call, 9 reused (0 moved), 1 removed." in capsys.readouterr().out


def test_a_dry_run_changes_nothing(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedder = HashEmbedder()
    assert call(tmp_path / "d", book, "--dry-run", embedder=embedder) == 0
    assert re.search(
        r"Would embed 10 chunks \(1 call of up to 96, about [\d,]+ tokens, price unknown, "
        r"see EMBED_PRICE\), "
        r"reuse 0 \(0 moved\) and remove 0\.",
        capsys.readouterr().out,
    )
    assert embedder.texts == []
    assert run(info(tmp_path / "d")) is None


COHERE = "embed-english-v3.0"


@pytest.mark.parametrize(
    ("model", "said"),
    [(COHERE, r"about \$0\.000\d\)"), ("all-MiniLM-L6-v2 int8 256", r"tokens, free\)")],
)
def test_a_dry_run_says_what_embedding_costs(
    tmp_path: Path, book: Path, model: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book, "--dry-run", embedder=HashEmbedder(model)) == 0
    assert re.search(said, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("model", "most", "said"),
    [
        (COHERE, "0.0001", "more than --max-cost 0.0001. Nothing was embedded."),
        ("unknown", "100", "Set EMBED_PRICE"),
    ],
)
def test_a_run_that_would_cost_too_much_pays_nothing(
    tmp_path: Path, book: Path, model: str, most: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    embedder = HashEmbedder(model)
    assert call(tmp_path / "d", book, "--max-cost", most, embedder=embedder) == 1
    assert said in capsys.readouterr().err
    assert embedder.texts == []
    assert run(info(tmp_path / "d")) is None
    assert call(tmp_path / "d", book, "--max-cost", "1", embedder=HashEmbedder(COHERE)) == 0
    cost_of_nothing = call(tmp_path / "d", book, "--max-cost", "0", embedder=HashEmbedder(COHERE))
    assert cost_of_nothing == 0


def test_a_model_that_is_not_known_is_not_asked_for_its_size_before_the_cost_is(
    tmp_path: Path, book: Path
) -> None:
    embedder = HashEmbedder("unknown", dimensions=0)
    assert call(tmp_path / "d", book, "--max-cost", "1", embedder=embedder) == 1
    assert embedder.questions == 0


def test_a_page_of_too_many_chunks_is_named_and_the_rest_indexed(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = "".join(f"## Is it {n}?\n\nIt is {n}.\n\n" for n in range(2_001))
    (book / "endless.md").write_text(f"# Endless\n\n{sections}")
    assert call(tmp_path / "d", book) == 0
    assert "endless.md makes 2,001 chunks, more than MAX_PAGE_CHUNKS" in capsys.readouterr().err
    found = run(info(tmp_path / "d"))
    assert found is not None
    assert found.chunks == 10


@pytest.mark.parametrize("spelling", ["folder", "slash", "relative", "home", "file"])
def test_paths_as_people_write_them(
    tmp_path: Path, book: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.parent)
    monkeypatch.setenv("HOME", str(book.parent))
    path = {
        "folder": str(book),
        "slash": f"{book}/",
        "relative": "./book",
        "home": "~/book",
        "file": str(book / "guide" / "part-0.md"),
    }[spelling]
    assert call(tmp_path / "d", path) == 0
    found = run(info(tmp_path / "d"))
    assert found is not None
    assert (found.chunks, found.book_title) == (
        (3, "Part 0") if spelling == "file" else (10, "My Book")
    )


def test_a_book_without_a_title_is_called_after_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "redux" / "docs"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name}.md").write_text(f"# {name}\n\nText.\n")
    assert call(tmp_path / "d", folder) == 0
    found = run(info(tmp_path / "d"))
    assert found is not None
    assert found.book_title == "redux"


def test_the_title_that_is_set_wins(tmp_path: Path, book: Path) -> None:
    assert call(tmp_path / "d", book, title="Their Title") == 0
    found = run(info(tmp_path / "d"))
    assert found is not None
    assert found.book_title == "Their Title"


def test_quiet_prints_problems_only(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (book / "broken.md").write_bytes(b"# Caf\xe9\n\ntext \xff\n")
    assert call(tmp_path / "d", book, "--quiet") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("broken.md ")
    found = run(info(tmp_path / "d"))
    assert found is not None, "the rest goes on"


@pytest.mark.parametrize("what", ["missing", "empty", "no markdown", "only blank", "unreadable"])
def test_nothing_could_be_done(
    tmp_path: Path, book: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path / "d", book) == 0
    before = run(info(tmp_path / "d"))
    bad = tmp_path / "bad"
    if what != "missing":
        bad.mkdir()
    if what == "no markdown":
        (bad / "photo.png").write_bytes(b"\x89PNG")
    elif what == "only blank":
        (bad / "a.md").write_text("\n \n")
    elif what == "unreadable":
        (bad / "a.md").write_bytes(b"\x00\x01\x02" * 100)
    capsys.readouterr()
    assert call(tmp_path / "d", bad) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert str(bad) in err
    assert "Traceback" not in err
    assert run(info(tmp_path / "d")) == before


@pytest.mark.parametrize(
    "arguments",
    [[], ["book", "--generator", "word"], ["a", "b"], ["--what"], ["a", "--max-cost", "-1"]],
)
def test_usage(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        ingest.main(arguments)
    assert stopped.value.code == 2
    assert "usage: ingest.py" in capsys.readouterr().err


def test_a_used_up_quota_is_a_sentence_and_what_was_paid_for_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real SDK over HTTP: the second call is refused for good."""
    book = tmp_path / "book"
    book.mkdir()
    sections = "".join(f"## Part {n}\n\n{f'Word{n} is here. ' * 60}\n\n" for n in range(150))
    (book / "long.md").write_text(f"# Long\n\n{sections}")
    quota = {"message": "You are using a Trial key, limited to 1000 API calls / month"}
    with Upstreams() as up:

        def index() -> int:
            embedder = CohereEmbedder(up.cohere.key, base_url=up.cohere.url)
            return call(tmp_path / "d", book, embedder=embedder)

        up.cohere.fail(429, times=1, body=quota)
        assert index() == 1
        _, err = capsys.readouterr()
        assert "cohere: the quota is used up: 429" in err
        assert up.cohere.key not in err
        assert run(info(tmp_path / "d")) is None
        paid = sum(len(request.json()["texts"]) for request in up.cohere.requests[1:])

        up.cohere.forget()
        assert index() == 0
        out, _ = capsys.readouterr()
        assert paid + sum(len(r.json()["texts"]) for r in up.cohere.requests) == 150
        assert re.search(rf"{150 - paid} embedded in \d calls?, {paid} reused", out)


def test_a_broken_index_is_made_again(tmp_path: Path, book: Path) -> None:
    assert call(tmp_path / "d", book) == 0
    (record,) = (tmp_path / "d").glob("index/*/index.json")
    record.write_text("{")
    assert call(tmp_path / "d", book) == 0
    found = run(info(tmp_path / "d"))
    assert found is not None
    assert found.chunks == 10


def test_bad_files_are_a_sentence_each_and_the_rest_is_indexed(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(book / "pipe.md")
    (book / "dangling.md").symlink_to("nowhere.md")
    (book / "loop.md").symlink_to("loop.md")
    (book / "environment.md").symlink_to("/proc/self/environ")
    (book / "bomb.md").write_text("---\na: &a [*a]\n---\n\n# Bomb\n\nText.\n")
    (book / "title.md").write_text(f"---\ntitle: 0x{'f' * 5_000}\n---\n\nText.\n")
    Path(os.fsdecode(os.fsencode(book) + b"/caf\xe9.md")).write_text("text")
    assert call(tmp_path / "d", book) == 0
    out, err = capsys.readouterr()
    assert out.startswith("My Book: 6 pages (plain), 12 chunks; 5 files skipped, named above\n")
    lines = err.splitlines()[:6]
    for name in ("pipe.md is a pipe", "dangling.md could not", "loop.md could not", "bomb.md has",
                 "environment.md leads outside", "caf"):  # fmt: skip
        assert sum(line.startswith(name) for line in lines) == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("name", [b"b\xfcch", b"\xff", "中".encode("gbk"), b"\xed\xa0\x80"])
def test_a_book_in_a_folder_whose_name_is_not_utf_8(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: bytes
) -> None:
    """The folder's name is the title of a book without a front page."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    folder.mkdir()
    for page in ("install", "use"):
        (folder / f"{page}.md").write_text(f"# {page}\n\nHow to {page} it.\n")
    for _ in range(2):
        assert call(folder / "data", folder) == 0
    found = run(info(folder / "data"))
    assert found
    found.book_title.encode()
    out, err = capsys.readouterr()
    (out + err).encode()
    assert "Nothing has changed" in out


def test_nothing_of_a_title_or_path_is_obeyed_by_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202egnp\u2028x"
    folder = tmp_path / "a\x1b[2Jb\rc"
    folder.mkdir()
    (folder / "a.md").write_text(f"# Title {evil}\n\nText.\n")
    (folder / "b\x1b[1m.md").write_bytes(b"\0")
    (folder / "c.md").write_text("---\n\x1b: [\n---\n\nText {{#include \x1b[1m}}\n")
    runs: list[list[object]] = [
        [folder],
        [folder, "--dry-run"],
        [folder / "none\x1b[1m"],
        [folder, "--root", "/\x1b[1m"],
        [f"http://\x1b[1m.invalid/{evil}"],
    ]
    for arguments in runs:
        call(tmp_path / "d", *arguments, title=f"Set {evil}" if len(arguments) == 2 else "")
        out, err = capsys.readouterr()
        assert out + err
        for ch in (out + err).replace("\n", ""):
            assert ch.isprintable(), repr(out + err)


def test_a_dead_link_is_printed_without_escapes(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (book / "x\x1b[1m.md").write_text("# X\x1b[1m\n\nText.\n")
    built = tmp_path / "built"
    built.mkdir()
    (built / "index.html").write_text("<p>x")
    assert call(tmp_path / "d", book, "--verify", built, "--strict") == 1
    assert "\x1b" not in "".join(capsys.readouterr())


def test_strict_wants_every_file_to_be_read(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = tmp_path / "built"
    for page in ("", "guide/part-0", "guide/part-1", "guide/part-2"):
        (built / page).mkdir(parents=True, exist_ok=True)
        ids = "".join(f"<p id='step-{n}'>" for n in range(3))
        (built / page / "index.html").write_text(f"<p id='install'><p id='my-book'>{ids}")
    assert call(tmp_path / "d", book, "--verify", built, "--strict") == 0
    (book / "pipe.md").symlink_to("/dev/zero")
    assert call(tmp_path / "d", book, "--verify", built, "--strict") == 1
    assert "--strict requires that every file is read" in capsys.readouterr().err
    assert call(tmp_path / "d", book, "--verify", built) == 0


def test_strict_counts_what_the_language_loses(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (book / "mkdocs.yml").write_text("plugins: [i18n: {languages: [{locale: fr}]}, macros]")
    (book / "docs").mkdir()
    (book / "docs" / "index.md").write_text("# A\n\n{{ macro }} words\n")
    (book / "docs" / "index.fr.md").write_text("# A\n\nDes mots\n")
    assert call(tmp_path / "d", book, "--strict", "--language", "en") == 1
    assert "1 macro is not run" in capsys.readouterr().err
    assert call(tmp_path / "d", book, "--strict", "--language", "fr") == 0
    assert "macro" not in capsys.readouterr().err


def test_the_limits_of_reading_are_options(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (book / "guide" / "more.md").symlink_to("../../more.md")
    (tmp_path / "more.md").write_text("# More\n\nText.\n")
    assert call(tmp_path / "d", book, "--root", tmp_path) == 0
    assert "My Book: 5 pages" in capsys.readouterr().out
    for option, value in (("--page-seconds", "nan"), ("--page-seconds", 0), ("--max-cost", -1)):
        with pytest.raises(SystemExit):
            call(tmp_path / "d", book, option, value)


def test_a_data_folder_that_cannot_be_written(
    tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also as root, who may write to a folder that is read-only for others."""
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("/nowhere/else")
    for data in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/data"), Path("/sys/d"),
                 tmp_path / "dangling"):  # fmt: skip
        assert call(data, book) == 1
        err = capsys.readouterr().err
        assert str(data) in err, err
        assert "Traceback" not in err
        assert len(err.splitlines()) <= 2, err


INTERRUPTED = """
import asyncio, sys
from pathlib import Path
import ingest
from tests.support.points import HashEmbedder
from tests.support.offline import Offline

class Slow(HashEmbedder):
    batch = 2
    async def embed_passages(self, texts):
        if len(self.sizes) == 2:
            print("interrupt me", flush=True)
            await asyncio.sleep(60)
        return await super().embed_passages(texts)

data = Path(sys.argv[1])
sys.exit(ingest.main(sys.argv[2:], lambda: Offline(data, Slow())))
"""


READING = """
import sys, time
from pathlib import Path
import ingest, sites
from tests.support.points import HashEmbedder
from tests.support.offline import Offline

def read(path, **options):
    print("interrupt me", flush=True)
    time.sleep(60)

sites.read_path = read
sys.exit(ingest.main(sys.argv[2:], lambda: Offline(Path(sys.argv[1]), HashEmbedder())))
"""


def interrupt(script: str, data: Path, book: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(data), str(book)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "interrupt me\n":
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Stopped. The index in use is unchanged" in err
    assert "Traceback" not in err
    assert run(info(data)) is None


def test_ctrl_c(tmp_path: Path, book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    interrupt(INTERRUPTED, tmp_path / "d", book)
    assert call(tmp_path / "d", book) == 0
    assert ": 6 embedded in 1 call, 4 reused" in capsys.readouterr().out


def test_ctrl_c_while_pages_are_read(tmp_path: Path, book: Path) -> None:
    interrupt(READING, tmp_path / "d", book)


def test_the_command_itself(tmp_path: Path, book: Path) -> None:
    """A process of its own with the embedded model, and no setting but the data folder."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "d")}
    for expected in ("10 embedded in", "Nothing has changed"):
        done = subprocess.run(
            [sys.executable, "ingest.py", str(book)],
            cwd=ROOT,
            env=environment,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar() -> None:
    screen, log = Terminal(), io.StringIO()
    for out in (screen, log):
        bar = ProgressBar(out)
        for done in (96, 192, 200):
            bar.show_embedded(Progress(done, 200, -(-done // 96)))
    assert re.match(
        r"\r\[#{11}\.{13}\] embedded 96/200 chunks, \d+/s, [\d.]+ s left, 1 call\x1b\[K",
        screen.getvalue(),
    )
    assert screen.getvalue().endswith("left, 3 calls\x1b[K\n")
    assert screen.getvalue().count("\n") == 1
    assert len(log.getvalue().splitlines()) == 1, "between the lines of a log there are ten seconds"
    assert log.getvalue().startswith("embedded 200/200 chunks")


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a locale in another encoding; empty if this machine cannot make one."""
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", f"{folder}/en_US.ISO-8859-1"]
    made = shutil.which("localedef") and Path("/usr/share/i18n/locales/en_US").exists()
    return str(folder) if made and subprocess.run(command, check=False).returncode == 0 else ""


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"LANG": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "en_US.ISO-8859-1"},
    ],
    ids=lambda locale: " ".join(locale.values()),
)
def test_names_are_utf_8_whatever_the_locale(
    tmp_path: Path, latin1: str, locale: dict[str, str]
) -> None:
    if "en_US.ISO-8859-1" in locale.values() and not latin1:
        pytest.skip("no locales here: install Debian's package")
    book = tmp_path / "Bücher"
    book.mkdir()
    (book / "README.md").write_text("# Cheese\n\nSee [Käse](käse.md).\n")
    (book / "käse.md").write_text("# Käse\n\nDer Käse reift drei Monate lang im Keller.\n")
    variables = service.environment(**locale, LOCPATH=latin1, DATA_DIR=str(tmp_path / "日本"))
    finished = service.run("ingest.py", str(book), "--dry-run", env=variables)
    assert finished.returncode == 0, finished.stderr
    assert "2 pages" in finished.stdout
