"""The generated API description is current, and the example client works."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from client.generate import files, types
from tests.support.service import ROOT

CLIENT = ROOT / "client"


@pytest.mark.parametrize("name", ["openapi.json", "types.ts"])
def test_generated_files_are_current(name: str) -> None:
    assert (CLIENT / name).read_text() == files()[name], "run: make openapi"


def test_requests_may_leave_out_what_has_a_default_and_responses_have_every_field() -> None:
    text = types(json.loads((CLIENT / "openapi.json").read_text()))
    assert "session_id?: string | null;" in text
    assert "  related: RelatedModel[];" in text
    assert "  rating: -1 | 0 | 1;" in text
    assert "export interface Problem {" in text


STREAM = """
const bytes = (text) => new TextEncoder().encode(text);
const events = [
  ": ping\\n\\nevent: session\\ndata: {\\"session_id\\": \\"1\\"}\\n\\n",
  "event: sources\\ndata: {\\"sources\\": [{\\"title\\": \\"T\\"}]}\\n\\nevent: token\\nda",
  "ta: {\\"text\\": \\"Hel\\"}\\n\\nevent: token\\ndata: {\\"text\\": \\"lo\\"}\\n\\n",
  "event: done\\ndata: {\\"message\\": \\"Hello [1]\\"}\\n\\n",
];
globalThis.fetch = async (url, options) => {
  if (JSON.parse(options.body).message === "bad") {
    return new Response('{"detail": "No."}', { status: 422 });
  }
  return new Response(new ReadableStream({
    start(controller) { events.forEach((e) => controller.enqueue(bytes(e))); controller.close(); },
  }));
};
const { ask } = await import("./example.mjs");
const seen = [];
const reply = await ask("https://x", { message: "hi" }, (t, s) => seen.push([t, s.length]));
const refused = await ask("https://x", { message: "bad" }, () => {}).catch((e) => e.message);
console.log(JSON.stringify({ reply, seen, refused }));
"""


def test_the_example_reads_a_stream(tmp_path: Path) -> None:
    """Run the example with its types removed, which not every Node version can do itself."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed, so the example client is not run")
    source = (CLIENT / "example.ts").read_text()
    for typed, plain in [
        ('import type { ChatRequest, ChatResponse, Problem, SourceModel } from "./types";\n', ""),
        ("service: string", "service"),
        ("question: ChatRequest", "question"),
        ("onText: (text: string, sources: SourceModel[]) => void", "onText"),
        ("): Promise<ChatResponse> {", ") {"),
        ("((await response.json()) as Problem)", "(await response.json())"),
        ("response.body!", "response.body"),
        ("events.pop()!", "events.pop()"),
        ("sources: SourceModel[] = []", "sources = []"),
    ]:
        assert typed in source
        source = source.replace(typed, plain)
    (tmp_path / "example.mjs").write_text(source)
    (tmp_path / "run.mjs").write_text(STREAM)
    done = subprocess.run(
        [node, "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["reply"] == {"message": "Hello [1]"}
    assert shown["seen"] == [["Hel", 1], ["Hello", 1]]
    assert shown["refused"] == "No."
