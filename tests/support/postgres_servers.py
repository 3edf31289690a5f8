"""PostgreSQL servers of the distribution, which have TLS and passwords; the wheel's has neither."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from rag.errors import UpstreamError
from tests.support.postgres import query
from tests.support.service import free_port

NOBODY = 65534


def find_program(program: str) -> str:
    """Find a program; Debian keeps servers outside the PATH."""
    folders = [
        os.environ["PATH"],
        "/usr/sbin",
        *map(str, Path("/usr/lib/postgresql").glob("*/bin")),
    ]
    return shutil.which(program, path=os.pathsep.join(folders)) or ""


needs_postgresql = pytest.mark.skipif(
    not find_program("initdb"), reason="no PostgreSQL with TLS here: install Debian's postgresql"
)


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder for a server that will not run as root."""
    with tempfile.TemporaryDirectory(prefix="server-") as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        yield Path(name)


def as_nobody(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    if os.geteuid() == 0:
        options |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return subprocess.Popen(
        command, cwd="/", env={"LC_ALL": "C", "PATH": os.environ["PATH"]}, **options
    )


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(20):
        assert server.poll() is None, "the server has ended"
        try:
            query(url, "SELECT 1")
            return
        except UpstreamError:
            time.sleep(0.05)
    raise AssertionError("the server did not come up")


@contextmanager
def tls_server() -> Iterator[tuple[str, Path]]:
    """The URL of a server that requires TLS and a password, and the folder of its CA files."""
    port = free_port()
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    with server_folder() as folder:
        data = folder / "data"
        (folder / "password").write_text("s3cret/@#")
        (folder / "password").chmod(0o644)
        create = [find_program("initdb"), "-D", str(data), "-U", "owner", "-A", "scram-sha-256"]
        create += ["-N", "-E", "UTF8", "--locale=C", f"--pwfile={folder}/password"]
        made = as_nobody(create, stdout=subprocess.DEVNULL)
        assert made.wait() == 0
        authority.cert_pem.write_to_path(folder / "ca.pem")
        trustme.CA().cert_pem.write_to_path(folder / "other.pem")
        certificate.cert_chain_pems[0].write_to_path(data / "server.crt")
        certificate.private_key_pem.write_to_path(data / "server.key")
        (data / "server.key").chmod(0o600)
        (data / "pg_hba.conf").write_text(
            "hostssl trusted all all trust\nhostssl all all all scram-sha-256\n"
        )
        if os.geteuid() == 0:
            for name in ("server.crt", "server.key"):
                os.chown(data / name, NOBODY, NOBODY)
        serve = [find_program("postgres"), "-D", str(data), "-p", str(port), "-k", ""]
        serve += ["-c", "ssl=on", "-c", "listen_addresses=localhost", "-c", "fsync=off"]
        server = as_nobody(serve, stderr=subprocess.DEVNULL)
        try:
            url = f"postgresql://owner:s3cret%2F%40%23@localhost:{port}/postgres"
            wait_until_ready(f"{url}?sslmode=require", server)
            query(f"{url}?sslmode=require", "CREATE DATABASE trusted")
            yield url, folder
        finally:
            server.send_signal(2)
            server.wait(20)
