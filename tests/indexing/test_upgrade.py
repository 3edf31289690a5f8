"""An index that another version made is named at the start, with the command that renews it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rag.adapters.vector_store.edge import EdgeStore
from rag.adapters.vector_store.qdrant import _info as read_record
from rag.errors import IndexMismatch
from rag.indexing.indexer import check_rules
from rag.models import IndexInfo
from tests.support.service import Service, environment, run, serving

QUESTION = {"message": "How do I delete a conversation?"}
Record = dict[str, Any]


def record_of(data: Path) -> Path:
    (record,) = data.glob("index/*/index.json")
    return record


def change(data: Path, how: Callable[[Record], object]) -> None:
    file = record_of(data)
    record = json.loads(file.read_text())
    how(record)
    file.write_text(json.dumps(record))


LAYOUTS: dict[str, Callable[[Record], object]] = {
    "an older number": lambda record: record.update(format=0),
    "a newer number": lambda record: record.update(format=99),
    "no number": lambda record: record.pop("format"),
    "no list of pages": lambda record: record.pop("pages"),
    "a fact that is not known": lambda record: record["info"].update(colour="blue"),
    "a fact that is missing": lambda record: record["info"].pop("dimensions"),
}


@pytest.fixture
def data(handbook: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(handbook, tmp_path / "data"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_is_not_called_damaged(data: Path, layout: str) -> None:
    change(data, LAYOUTS[layout])
    store = EdgeStore(data)
    with pytest.raises(IndexMismatch, match="made by another version") as caught:
        asyncio.run(store.info())
    store.stop()
    assert "damaged" not in str(caught.value)
    assert "python ingest.py PATH" in str(caught.value)


@pytest.mark.parametrize(
    "payload", [None, {}, {"record": {}}, {"record": {"dimensions": 3}}, {"record": {"colour": 1}}]
)
def test_another_record_in_qdrant(payload: Record | None) -> None:
    with pytest.raises(IndexMismatch, match=r"another version.*python ingest\.py PATH"):
        read_record(payload)


def test_words_that_are_counted_differently(data: Path) -> None:
    info = IndexInfo(**json.loads(record_of(data).read_text())["info"])
    check_rules(info)
    check_rules(replace(info, fingerprint=""))  # not known
    with pytest.raises(IndexMismatch, match="counts the words"):
        check_rules(replace(info, fingerprint="00000000-" + "0" * 32))


@pytest.mark.parametrize("layout", ["an older number", "other words"])
def test_the_start_the_doctor_and_the_reader_are_told(
    data: Path, tmp_path: Path, layout: str
) -> None:
    other = "00000000-" + "0" * 32
    rules_only = layout == "other words"
    change(data, LAYOUTS.get(layout) or (lambda record: record["info"].update(fingerprint=other)))
    with serving(tmp_path / "log", DATA_DIR=str(data)) as service, service.client() as client:
        line = warning(service)
        assert json.loads(line)["level"] == "warning"
        assert "python ingest.py PATH" in line
        reply = client.post("/chat", json=QUESTION)
        if rules_only:
            assert reply.json()["sources"]
        else:
            assert (reply.status_code, reply.json()["code"]) == (503, "index_mismatch")
            assert "must be indexed again" in reply.json()["detail"]
        deep = client.get("/health", params={"deep": True}).json()
        assert "another version" in deep["problems"]["qdrant"]
    doctor = run("-m", "rag.ops.diagnostics", env=environment(DATA_DIR=str(data)))
    assert doctor.returncode == 1
    assert "another version" in doctor.stdout


def test_ingest_renews_it(data: Path) -> None:
    change(data, LAYOUTS["an older number"])
    finished = run("ingest.py", "docs/deploy", env=environment(DATA_DIR=str(data)))
    assert finished.returncode == 0, finished.stderr
    store = EdgeStore(data)
    assert asyncio.run(store.info())
    store.stop()


INDEXES = sorted((Path(__file__).parent / "indexes").glob("*.tar.xz"))
"""Folders that earlier versions made from the book beside them, in the order of their age. They
differ in the record, in the embedding model or in how words are counted."""
LAMP = "tests/indexing/indexes/lamp"
CLEAN = {"message": "How do I clean the glass?"}


@pytest.mark.parametrize("made", INDEXES, ids=lambda path: path.name.partition(".")[0])
def test_a_folder_of_an_earlier_version_goes_forward(made: Path, tmp_path: Path) -> None:
    with tarfile.open(made) as archive:
        archive.extractall(tmp_path / "data", filter="data")
    data = {"DATA_DIR": str(tmp_path / "data")}
    same_model = "8-bit" in made.name
    with serving(tmp_path / "log", **data) as service, service.client() as client:
        line = warning(service)
        assert "Run `python ingest.py PATH`" in line
        assert ("nothing is embedded again" in line) == same_model
        assert ("no question can be answered" in line) == (not same_model)
        assert client.post("/chat", json=CLEAN).status_code == (200 if same_model else 503)
        # It runs beside the service, whose readers see the new index at once.
        finished = run("ingest.py", LAMP, env=environment(**data))
        assert finished.returncode == 0, finished.stderr
        assert ("0 embedded" in finished.stdout) == same_model
        answered = client.post("/chat", json=CLEAN).json()
        assert "Wipe the glass with a dry cloth" in answered["message"]
        assert client.get("/book/care").status_code == 200
        assert client.get("/health", params={"deep": True}).json()["status"] == "ok"


def warning(service: Service) -> str:
    """Wait for the line of the start that names another version."""
    deadline = time.monotonic() + 30
    while "another version" not in service.log and time.monotonic() < deadline:
        time.sleep(0.1)
    (line,) = [each for each in service.log.splitlines() if "another version" in each]
    return str(line)
