"""Real clients of `/mcp` over HTTP: the SDK in both generations, fastmcp and the Inspector."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import Service

pytest.importorskip("mcp")

from fastmcp import Client as FastClient
from mcp import Client, MCPError

QUESTION = "How do I delete a conversation?"


@pytest.mark.parametrize(
    ("mode", "version"),
    [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")],
)
def test_the_official_client(service: Service, mode: str, version: str) -> None:
    async def main() -> None:
        async with Client(f"{service.url}/mcp", mode=mode) as client:
            assert client.session.protocol_version == version
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == ["search", "fetch", "ask", "report_gap"]
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)

            found = await client.call_tool("search", {"query": QUESTION})
            assert isinstance(found.structured_content, dict)
            best = found.structured_content["results"][0]
            page = await client.call_tool("fetch", {"id": best["id"]})
            assert isinstance(page.structured_content, dict)
            assert page.structured_content["title"] == "Privacy"

            answer = await client.call_tool("ask", {"question": QUESTION})
            assert isinstance(answer.structured_content, dict)
            assert answer.structured_content["found"] == "answer"
            reported = await client.call_tool("report_gap", {"question": "Is there a moon?"})
            assert not reported.is_error

            wrong = await client.call_tool("search", {"query": 5})
            assert wrong.is_error
            with pytest.raises(MCPError, match="There is no tool named dance"):
                await client.call_tool("dance", {})

            resources = (await client.list_resources()).resources
            read = await client.read_resource(resources[1].uri)
            assert resources[1].title in read.contents[0].model_dump()["text"]
            assert (await client.list_resource_templates()).resource_templates
            with pytest.raises(MCPError, match="no such page"):
                await client.read_resource("book:///no/such")
            with pytest.raises(MCPError):
                await client.list_prompts()

    asyncio.run(main())


def test_many_calls_of_one_client_at_once(service: Service) -> None:
    async def main() -> None:
        async with Client(f"{service.url}/mcp") as client:
            queries = [f"{QUESTION} {n}" for n in range(12)]
            found = await asyncio.gather(
                *(client.call_tool("search", {"query": query}) for query in queries)
            )
            assert all(result.structured_content for result in found)

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_fastmcp(service: Service, mode: str) -> None:
    async def main() -> dict[str, Any]:
        async with FastClient(f"{service.url}/mcp", mode=mode) as client:
            assert {tool.name for tool in await client.list_tools()} >= {"search", "fetch"}
            assert await client.list_resources()
            assert await client.read_resource("book:///docs/privacy")
            result = await client.call_tool("search", {"query": QUESTION})
            return dict(result.structured_content or {})

    assert asyncio.run(main())["results"]


INSPECTOR = ("@modelcontextprotocol/inspector@2.12.0", "node@24")
"""The Inspector needs a newer Node than many machines have; npm has it as a package."""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="needs npm to install the Inspector")
def test_the_inspector(service: Service, tmp_path: Path) -> None:
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    install = ["npm", "install", *quiet, "--prefix", str(tmp_path), *INSPECTOR]
    if subprocess.run(install, check=False, capture_output=True, timeout=600).returncode:
        pytest.skip("needs a package registry to install the Inspector")
    tools = tmp_path / "node_modules" / ".bin"
    env = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)}

    def inspect(method: str, *options: str) -> Any:
        command = [str(tools / "mcp-inspector"), "--cli", f"{service.url}/mcp", "--method", method]
        done = subprocess.run(
            [*command, *options], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert [tool["name"] for tool in inspect("tools/list", "--strict")["tools"]][:1] == ["search"]
    found = inspect("tools/call", "--tool-name", "search", "--tool-arg", f"query={QUESTION}")
    assert found["structuredContent"]["results"]
    assert len(inspect("resources/list")["resources"]) > 10
    assert inspect("resources/read", "--uri", "book:///docs/privacy")["contents"]
