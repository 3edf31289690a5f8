"""Deploy or update the service on AWS Lambda.

    python deploy/aws_lambda.py STACK [--functions] [--arch x86_64] [--dry-run]

Builds and uploads the zip, creates or updates the CloudFormation stack, asks a question and
prints the answer. Secrets come from the environment and `.env`; they are passed to
CloudFormation in a private temporary file and never printed. Uses the AWS CLI with its
configured account and region. Another run updates only what changed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.common import QUESTION, ask, fail, settings_for_host  # noqa: E402
from deploy.lambda_zip import PLATFORMS, PYTHONS, build, default_python  # noqa: E402

ZIP = ROOT / "build" / "lambda.zip"
"""The path that the templates use."""
PARAMETERS = {
    "COHERE_API_KEY": "CohereApiKey",
    "OPENAI_API_KEY": "OpenaiApiKey",
    "QDRANT_URL": "QdrantUrl",
    "QDRANT_API_KEY": "QdrantApiKey",
    "DATABASE_URL": "DatabaseUrl",
    "ADMIN_TOKEN": "AdminToken",
    "MCP_TOKEN": "McpToken",
    "API_TOKEN": "ApiToken",
    "TICKET_SECRET": "TicketSecret",
    "TURNSTILE_SECRET": "TurnstileSecret",
    "SITE_URL": "SiteUrl",
    "ALLOWED_ORIGINS": "AllowedOrigins",
}
"""Settings that are template parameters; the others become plain variables."""


def deploy(options: argparse.Namespace) -> None:
    secrets, others = settings_for_host()
    if "EMBEDDED" in others:
        fail("Lambda cannot run the embedded engines: unset EMBEDDED and set the five secrets.")
    given = {**secrets, **others}
    parameters = {PARAMETERS[name]: v for name, v in given.items() if name in PARAMETERS}
    variables = {name: v for name, v in given.items() if name not in PARAMETERS}
    python = options.python or default_python()
    parameters |= {"Architecture": options.arch, "Runtime": f"python{python}"}
    template = ROOT / "deploy" / "aws" / ("functions.yaml" if options.functions else "app.yaml")

    if options.dry_run:
        print(f"Would build {ZIP} for python{python} on {options.arch}")
        print(f"Would deploy {template.name} as the stack {options.stack} with")
        for name in (*parameters, *variables):
            print(f"  {name}")
        return

    account = _aws("sts", "get-caller-identity", "--query", "Account", "--output", "text")
    region = options.region or _aws("configure", "get", "region", allowed=(0, 1))
    if not region:
        fail("No region is set: add --region eu-central-1, or run: aws configure set region …")
    size = build(options.arch, python, ZIP)
    print(f"Built {ZIP}: {ZIP.stat().st_size / 1e6:.0f} MB, {size / 1e6:.0f} MB unzipped")

    bucket = options.bucket or f"ask-the-book-{account}-{region}"
    if not options.bucket:
        _aws("s3", "mb", f"s3://{bucket}", "--region", region, allowed=(0, 1))
    with tempfile.TemporaryDirectory() as folder:
        packaged, private = Path(folder) / "template.json", Path(folder) / "parameters.json"
        _aws(
            *("cloudformation", "package", "--use-json", "--region", region),
            *("--template-file", str(template), "--output-template-file", str(packaged)),
            *("--s3-bucket", bucket),
        )
        packaged.write_text(with_variables(packaged.read_text(), variables))
        private.touch(0o600)
        private.write_text(
            json.dumps([{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        )
        _aws(
            *("cloudformation", "deploy", "--region", region, "--no-fail-on-empty-changeset"),
            *("--stack-name", options.stack, "--template-file", str(packaged)),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            *("--parameter-overrides", f"file://{private}"),
        )
    query = "Stacks[0].Outputs[?OutputKey=='Url'].OutputValue"
    url = _aws(
        *("cloudformation", "describe-stacks", "--region", region),
        *("--stack-name", options.stack, "--query", query, "--output", "text"),
    )
    print(f"The service is running at {url}")
    ask(url, options.question)


def with_variables(template: str, variables: Mapping[str, str]) -> str:
    """Add environment variables for every function to the packaged template."""
    document: dict[str, Any] = json.loads(template)
    for resource in document["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            environment = resource["Properties"].setdefault("Environment", {})
            environment.setdefault("Variables", {}).update(variables)
    return json.dumps(document, indent=1)


def _aws(*arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    """Run the AWS CLI and return its stripped output. Its errors go to the terminal."""
    try:
        done = subprocess.run(["aws", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        fail("The AWS CLI is required: https://aws.amazon.com/cli/")
    if done.returncode not in allowed:
        fail(f"aws {' '.join(arguments[:2])} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Deploy the service to AWS Lambda.")
    parser.add_argument("stack", help="name of the CloudFormation stack, such as my-book")
    parser.add_argument("--functions", action="store_true", help="one function per endpoint")
    parser.add_argument("--arch", choices=PLATFORMS, default="arm64")
    parser.add_argument("--python", choices=PYTHONS, help="Python version of the Lambda runtime")
    parser.add_argument("--region", help="default: the AWS CLI's region")
    parser.add_argument("--bucket", help="bucket for the zip; created if not set")
    parser.add_argument("--question", default=QUESTION, help="question to ask after the deployment")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be done; change nothing"
    )
    deploy(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
