"""The Lambda function: its events, its templates, and the deployment command."""

from __future__ import annotations

import base64
import gzip
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from starlette.middleware import Middleware

import router
from deploy import aws_lambda
from rag.settings import HIDDEN, SECRETS
from tests.deploy.hub import Hub, imitation
from tests.support.service import ROOT
from web import error_handlers
from web.lambda_adapter import LambdaFunction
from web.middleware import RequestMiddleware

TEMPLATES = ROOT / "deploy" / "aws"
CONTEXT = SimpleNamespace(aws_request_id="1")
JSON = {"content-type": "application/json"}


def request(
    method: str, path: str, body: str | None = None, stage: str = "$default", **more: Any
) -> dict[str, Any]:
    """Make an event of an HTTP API, payload version 2, which Function URLs also use."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {**JSON, **more.get("headers", {})},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
            "stage": stage,
        },
        "body": body,
        "isBase64Encoded": more.get("base64", False),
    }


def call(function: LambdaFunction, event: Any) -> tuple[int, Any]:
    answer = function(event, CONTEXT)
    assert answer["isBase64Encoded"] is False, "API Gateway would show base64 to the reader"
    return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture(scope="module")
def function(lambda_loop: None) -> LambdaFunction:
    return LambdaFunction(router.app)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        {},
        {"source": "aws.events", "detail": {}},
        {"Records": [{"s3": {"bucket": {"name": "b"}}}]},
        {"requestContext": None},
        {"version": "2.0", "requestContext": {}},
        {"resource": "/", "requestContext": {}},
        request("POST", "/search", "%%%", base64=True) | {"body": "a"},
    ],
    ids=str,
)
def test_an_event_that_is_not_a_request_gets_a_message(
    function: LambdaFunction, event: Any
) -> None:
    status, problem = call(function, event)
    assert (status, problem["code"]) == (400, "no_request")
    assert problem["detail"].startswith("This event is not an HTTP request.")


def test_a_stage_prefix_is_removed(function: LambdaFunction) -> None:
    assert call(function, request("GET", "/prod/health", stage="prod"))[0] == 200
    assert call(function, request("GET", "/health", stage="prod"))[0] == 200
    assert call(function, request("GET", "/production/health", stage="prod"))[0] == 404
    assert call(function, request("GET", "/prod/health"))[0] == 404


@pytest.mark.parametrize("path", ["/nix/%C3%BCber", "/nix/日本", "/nix/%00", "/%2e%2e/etc", "//"])
def test_odd_paths_get_a_plain_404(function: LambdaFunction, path: str) -> None:
    status, problem = call(function, request("GET", path))
    assert (status, problem["status"]) == (404, 404)


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (gzip.compress(b'{"query": "x"}'), {"headers": {"content-encoding": "gzip"}}, 415),
        (bytes(range(256)), {}, 422),
        (b"x" * 1_000_001, {}, 413),
        (b"", {}, 422),
    ],
    ids=["gzip", "binary", "huge", "empty"],
)
def test_odd_bodies_get_a_message(
    function: LambdaFunction, body: bytes, more: dict[str, Any], status: int
) -> None:
    sent = base64.b64encode(body).decode()
    answered, problem = call(function, request("POST", "/search", sent, base64=True, **more))
    assert answered == status
    assert problem["detail"].endswith((".", "application/json"))


def test_a_base_path_is_removed() -> None:
    app = FastAPI(middleware=[Middleware(RequestMiddleware, base_path="/api")])
    error_handlers.install(app)
    app.add_api_route("/health", lambda: {"status": "ok"})
    function = LambdaFunction(app)
    assert call(function, request("GET", "/api/health"))[0] == 200
    assert call(function, request("GET", "/health"))[0] == 200
    assert call(function, request("GET", "/apihealth"))[0] == 404


# ------------------------------------------------------------------ templates


class _Loader(yaml.SafeLoader):
    """Loads YAML with CloudFormation's tags, kept as plain values."""


def _tag(loader: _Loader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.ScalarNode)
    return {tag: loader.construct_scalar(node)}


_Loader.add_multi_constructor("!", _tag)


def template(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((TEMPLATES / name).read_text(), _Loader)
    return loaded


def functions(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: resource["Properties"]
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


@pytest.mark.parametrize("name", ["app.yaml", "functions.yaml", "container.yaml"])
def test_a_template_hides_secrets_and_allows_only_the_log(name: str) -> None:
    document = template(name)
    for secret in HIDDEN:
        assert document["Parameters"][aws_lambda.PARAMETERS[secret]]["NoEcho"] is True
    assert set(SECRETS) < set(HIDDEN)
    assert document["Resources"]["Logs"]["Properties"]["RetentionInDays"]
    (policy,) = document["Resources"]["Role"]["Properties"]["Policies"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Resource"] == {"GetAtt": "Logs.Arn"}
    for function in functions(document).values():
        assert function["Role"] == {"GetAtt": "Role.Arn"}
        assert "Cors" not in function.get("FunctionUrlConfig", {})


def test_each_function_serves_one_handler_with_its_secrets_alone() -> None:
    served = set()
    for function in functions(template("functions.yaml")).values():
        variables = function["Environment"]["Variables"]
        handler = importlib.import_module(f"handlers.{variables['ROUTES']}")
        secrets = set(variables) & set(SECRETS)
        # Functions that report the service's state get all settings.
        assert secrets == set(handler.NEEDS) or handler.__name__ in (
            "handlers.health",
            "handlers.config",
        )
        for event in function["Events"].values():
            served.add((event["Properties"]["Method"], event["Properties"]["Path"]))
    mounted = {(method, path) for method, path, _ in router.ROUTES if "/book/" not in path}
    # The preview needs the embedded index, which Lambda does not have.
    assert served == {*mounted, ("OPTIONS", "/{proxy+}")}


def test_cloudformation_accepts_the_templates() -> None:
    names = [str(path) for path in TEMPLATES.glob("*.yaml")]
    lint = Path(sys.executable).with_name("cfn-lint")
    finished = subprocess.run([lint, *names], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


# ------------------------------------------------------------------ the command

AWS = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path(__file__).parent
arguments = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + "\\n")
words = " ".join(arguments[:2])
option = lambda name: arguments[arguments.index(name) + 1]
if words == "sts get-caller-identity":
    if (folder / "refuse").exists():
        sys.exit("Unable to locate credentials.")
    print("123456789012")
elif words == "configure get":
    print("eu-central-1")
elif words == "s3 mb":
    sys.exit(1)  # it already exists
elif words == "cloudformation package":
    service = {{"Type": "AWS::Serverless::Function", "Properties": {{"CodeUri": "s3://x"}}}}
    document = {{"Resources": {{"Service": service}}}}
    pathlib.Path(option("--output-template-file")).write_text(json.dumps(document))
elif words == "cloudformation deploy":
    given = pathlib.Path(option("--parameter-overrides").removeprefix("file://"))
    assert given.stat().st_mode & 0o777 == 0o600
    (folder / "parameters").write_text(given.read_text())
    (folder / "template").write_text(pathlib.Path(option("--template-file")).read_text())
elif words == "cloudformation describe-stacks":
    print("{url}")
"""
VALUES = {
    "COHERE_API_KEY": "co-7f3a51",
    "OPENAI_API_KEY": "sk-7f3a52",
    "QDRANT_URL": "https://7f3a53.cloud.qdrant.io",
    "QDRANT_API_KEY": "qd-7f3a54",
    "DATABASE_URL": "postgresql://reader:7f3a55@db.neon.tech/book",
    "ADMIN_TOKEN": "token-of-the-author-7f3a56",
    "SITE_URL": "https://book.example",
    "CHAT_MODEL": "gpt-4o",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with imitation() as hub:
        yield hub


@pytest.fixture
def aws(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install an `aws` command that records its arguments, and a prebuilt zip."""
    command = tmp_path / "aws"
    command.write_text(AWS.format(python=sys.executable, url=hub.url))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    zip = tmp_path / "lambda.zip"
    zip.write_bytes(b"")
    monkeypatch.setattr(aws_lambda, "ZIP", zip)
    monkeypatch.setattr(aws_lambda, "build", lambda arch, python, out: 150_000_000)
    return tmp_path


def test_the_command_deploys_and_asks(
    aws: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    aws_lambda.main(["my-book", "--python", "3.13"])
    calls = (aws / "calls").read_text()
    assert "7f3a5" not in calls, "a secret would be visible in the process list"
    assert '"ask-the-book-123456789012-eu-central-1"' in calls
    parameters = json.loads((aws / "parameters").read_text())
    given = {item["ParameterKey"]: item["ParameterValue"] for item in parameters}
    assert given["QdrantUrl"] == VALUES["QDRANT_URL"]
    assert given["AdminToken"] == VALUES["ADMIN_TOKEN"]
    assert (given["Runtime"], given["Architecture"]) == ("python3.13", "arm64")
    service = json.loads((aws / "template").read_text())["Resources"]["Service"]
    assert service["Properties"]["Environment"]["Variables"] == {"CHAT_MODEL": "gpt-4o"}
    assert hub.asked == [("What is this book about?", "")]
    shown = capsys.readouterr().out
    assert "It is about tests. [1]" in shown
    assert "7f3a5" not in shown


def test_a_dry_run_makes_no_calls(aws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    aws_lambda.main(["my-book", "--dry-run", "--functions"])
    shown = capsys.readouterr().out
    assert "functions.yaml as the stack my-book" in shown
    assert "7f3a5" not in shown
    assert not (aws / "calls").exists()


def test_missing_prerequisites_are_explained(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (aws / "refuse").touch()
    with pytest.raises(SystemExit, match="aws sts get-caller-identity failed: Unable to locate"):
        aws_lambda.main(["my-book"])
    monkeypatch.setenv("PATH", str(aws / "nothing"))
    with pytest.raises(SystemExit, match="The AWS CLI is required"):
        aws_lambda.main(["my-book"])
    monkeypatch.setenv("EMBEDDED", "1")
    with pytest.raises(SystemExit, match="Lambda cannot run the embedded engines"):
        aws_lambda.main(["my-book"])
    monkeypatch.setenv("EMBEDDED", "")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(SystemExit, match="Missing OPENAI_API_KEY: add"):
        aws_lambda.main(["my-book"])
