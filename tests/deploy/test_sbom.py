"""Bill of materials, licences and vulnerabilities, and that no secret is committed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import sbom
from tests.support import secrets
from tests.support.service import ROOT, environment, run

PERMITTED = re.compile(
    r"\b(?:MIT|MIT-0|Apache|BSD|[0-9]-Clause|0BSD|ISC|Zlib|PSF|CC0|Unlicense|PostgreSQL|"
    r"Python Software Foundation|MPL|Mozilla Public License)\b"
)
"""Licences that require only attribution or, for MPL, sharing changes to their own files."""


def test_every_pin_is_understood_and_hashed() -> None:
    pins = sbom.pins(*sbom.SHIPPED, *sbom.TOOLS)
    assert {"fastapi", "numpy", "qdrant-edge-py", "pytest"} <= {pin.name for pin in pins}
    assert all(pin.hashes for pin in pins)
    for file in (*sbom.SHIPPED, *sbom.TOOLS):
        lines = re.findall(r"^[a-z0-9][^ \n]*==", (ROOT / file).read_text(), re.MULTILINE)
        assert len(sbom.pins(file)) == len(lines)


def test_every_licence_permits_shipping() -> None:
    for pin in sbom.pins(*sbom.SHIPPED):
        licence = sbom.licence_of(pin.name, pin.version)
        if licence != sbom.ELSEWHERE:
            assert PERMITTED.search(licence), f"{pin.name}: {licence}"
            assert not re.search(r"\bA?GPL|General Public", licence), f"{pin.name}: {licence}"
    assert "| marked (in the widget) | 18." in sbom.licences([])


def _needs_index(finished: subprocess.CompletedProcess[str]) -> None:
    if "error sending request" in finished.stdout + finished.stderr:
        pytest.skip("the package index cannot be reached")


@pytest.mark.slow
def test_the_bill_names_every_package(tmp_path: Path) -> None:
    finished = run("deploy/sbom.py", "sbom", "--out", str(tmp_path), env=environment())
    _needs_index(finished)
    assert finished.returncode == 0, finished.stderr
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    named = {(part["name"], part["version"]): part for part in bill["components"]}
    pins = {(pin.name, pin.version): pin for pin in sbom.pins(*sbom.SHIPPED)}
    assert named.keys() - pins.keys() == {("marked", sbom.marked())}
    # The bill leaves out packages that no Python from 3.11 on would install.
    assert {name for name, _ in pins.keys() - named.keys()} <= {"httpx2-jsfetch"}
    fastapi = next(part for part in bill["components"] if part["name"] == "fastapi")
    assert fastapi["licenses"] == [{"license": {"name": "MIT"}}]
    assert len(fastapi["externalReferences"][0]["hashes"]) == 2
    assert "| fastapi |" in (tmp_path / "licences.md").read_text()


@contextmanager
def osv(vulnerable: str) -> Iterator[str]:
    """Imitate osv.dev with one vulnerable package; yield its address."""
    known = {
        "id": "PYSEC-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "summary": "It is broken.",
        "affected": [
            {
                "package": {"name": vulnerable, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            }
        ],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            self.reply(
                {
                    "results": [
                        {"vulns": [known]} if query["package"]["name"] == vulnerable else {}
                        for query in queries
                    ]
                }
            )

        def do_GET(self) -> None:
            self.reply(known)

        def reply(self, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


@pytest.mark.slow
@pytest.mark.parametrize(("vulnerable", "status"), [("starlette", 1), ("nothing-of-ours", 0)])
def test_known_vulnerabilities_are_found(vulnerable: str, status: int) -> None:
    with osv(vulnerable) as url:
        finished = run("deploy/sbom.py", "audit", "--service-url", url, env=environment())
    _needs_index(finished)
    assert finished.returncode == status, finished.stdout
    assert ("PYSEC-2026-1" in finished.stdout) == bool(status)


@pytest.mark.slow
@pytest.mark.parametrize(("strictly", "status"), [((), 0), (("--strict",), 2)])
def test_an_unreachable_service_is_reported_in_one_line(
    unused_tcp_port: int, strictly: tuple[str, ...], status: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    finished = run("deploy/sbom.py", "audit", *strictly, "--service-url", url, env=environment())
    assert finished.returncode == status
    assert finished.stdout.startswith("Known vulnerabilities were not checked")
    assert len(finished.stdout.splitlines()) == 1


# ---------------------------------------------------------------- secrets

RANDOM = "aB3dE5fG7hJ9kL1mN2p" + "Q4rS6tU8vW0xY2zA4bC6d"  # 40 letters and digits
PLANTED = {
    "COHERE_API_KEY": RANDOM,
    "OPENAI_API_KEY": "sk-" + "proj-" + RANDOM,
    "QDRANT_API_KEY": "eyJhbGci" + "OiJIUzI1NiJ9" + ".eyJhY2Nlc3MiOiJtIn0." + RANDOM[:20],
    "QDRANT_URL": "https://0a1b2c3d-1111-2222-3333-0123456789ab"
    + ".eu-central-1-0.aws.cloud.qdrant.io",
    "DATABASE_URL": "postgresql://me:" + RANDOM[:16] + "@db.example/neondb",
    "password of Neon": "npg" + "_" + RANDOM[:16],
    "a named secret": "ADMIN_TOKEN" + '="' + RANDOM[:24] + '"',
    "key of AWS": "AKIA" + "IOSFODNN7" + "EXAMPLE",
    "token of Hugging Face": "hf" + "_" + RANDOM,
    "token of GitHub": "ghp" + "_" + RANDOM,
    "private key": "-----BEGIN RSA PRIV" + "ATE KEY-----",
}


def test_planted_secrets_are_found() -> None:
    assert PLANTED.keys() == secrets.PATTERNS.keys()
    for kind, planted in PLANTED.items():
        for line in (planted, f'key = "{planted}"', f"{{'a': '{planted}'}}", f"x {planted}, y"):
            assert f"line 2: {kind}" in secrets.found(f"first\n{line}\n"), kind


def test_values_of_settings_are_found_whatever_they_look_like() -> None:
    environ = {
        "DATABASE_URL": "postgresql://reader:plain%2Fwords@db/x",
        "ADMIN_TOKEN": "all-lower-case-words",
        "PORT": "78607860",
    }
    assert secrets.leaked("port 78607860 and nothing else", environ) == []
    assert secrets.leaked("password=plain/words", environ) == ["DATABASE_URL"]
    assert secrets.leaked("Bearer all-lower-case-words", environ) == ["ADMIN_TOKEN"]


def test_a_command_that_shows_a_secret_fails_its_test() -> None:
    env = environment(ADMIN_TOKEN="all-lower-case-words")
    with pytest.raises(AssertionError, match="ADMIN_TOKEN"):
        run("-c", "import os; print(os.environ['ADMIN_TOKEN'])", env=env)
    with pytest.raises(AssertionError, match="Neon"):
        run("-c", f"print('npg_' + {RANDOM[:16]!r})", env=environment())


def test_no_secret_is_in_the_tree() -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed, so the committed files are unknown")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is not a git repository")
    findings = [
        f"{name} {finding}"
        for name in filter(None, listed.stdout.decode().split("\0"))
        if (ROOT / name).is_file()
        for finding in secrets.found((ROOT / name).read_bytes().decode("latin-1"))
    ]
    assert findings == []
