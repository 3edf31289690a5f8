"""Code and images of others are pinned by digest, so that nobody can replace them unseen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.service import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILES = [ROOT / "Dockerfile", *sorted((ROOT / "deploy").rglob("Dockerfile"))]
COMPOSE = ROOT / "deploy" / "compose.yaml"
BY_TAG = {"qdrant/qdrant:v1.20.0"}
"""Images whose digest is not known here; Dependabot proposes it."""


OWN = {"ask-the-book", "${IMAGE}"}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit(workflow: Path) -> None:
    for line in re.findall(r"uses:\s*(.+)", workflow.read_text()):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line.strip()), line


def test_an_action_has_one_version() -> None:
    pins: dict[str, set[str]] = {}
    for workflow in WORKFLOWS:
        for action, pin in re.findall(r"uses:\s*([^@\s]+)@(.+)", workflow.read_text()):
            pins.setdefault(action, set()).add(pin)
    assert all(len(found) == 1 for found in pins.values()), pins


@pytest.mark.parametrize(
    "file", [*DOCKERFILES, COMPOSE, *WORKFLOWS], ids=lambda p: str(p.relative_to(ROOT))
)
def test_images_are_pinned_by_digest(file: Path) -> None:
    for image in re.findall(r"^\s*(?:FROM|image:)\s+(\S+)", file.read_text(), re.MULTILINE):
        pinned = re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image)
        assert pinned or image in BY_TAG | OWN, image


def test_workflows_may_write_only_for_a_release() -> None:
    for workflow in WORKFLOWS:
        content = yaml.safe_load(workflow.read_text())
        assert content["permissions"] == {"contents": "read"}
        given = [job["permissions"] for job in content["jobs"].values() if "permissions" in job]
        assert bool(given) == (workflow.name == "release.yml")


def test_a_release_is_made_of_a_tag_and_attested() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML reads `on` as true
    job = release["jobs"]["release"]
    assert {"id-token", "attestations"} <= job["permissions"].keys()
    uses = [step.get("uses", "") for step in job["steps"]]
    assert any(use.startswith("actions/attest-build-provenance@") for use in uses)


def test_newer_digests_are_proposed() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == {
        "github-actions",
        "docker",
        "docker-compose",
    }
    folders = {f"/{path.parent.relative_to(ROOT)}".rstrip(".") for path in DOCKERFILES}
    assert folders == {
        each["directory"] for each in updates if each["package-ecosystem"] == "docker"
    }
