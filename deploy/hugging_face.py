"""Put the service on a Hugging Face Space, or bring it up to date there.

    python deploy/hugging_face.py USER/NAME [--private] [--dry-run]

creates the Space if there is none, sets its secrets and variables from the environment and
`.env`, pushes what the image is built from in one commit, waits until the Space runs, asks
it a question and prints the answer. The token is HF_TOKEN or the one of `hf auth login`.
Secrets are never printed. A second run pushes only what has changed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.common import QUESTION, ask, fail, settings_for_host  # noqa: E402

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import SpaceInfo

ALWAYS = ("Dockerfile", ".dockerignore", "README.md", "LICENSE")
"""Pushed beside what `.dockerignore` lets into the image; README.md configures the Space."""
WORKING = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING")
ASLEEP = ("SLEEPING", "PAUSED", "STOPPED")
NOTICING = 8
"""Looks at the Space until its build has surely begun."""
LOG_LINES = 20


def deploy(options: argparse.Namespace) -> None:
    if options.name.count("/") != 1:
        fail(f"{options.name} is no name of a Space; it looks like USER/NAME.")
    secrets, variables = settings_for_host()
    files = dict(needed_files(ROOT))
    if options.dry_run:
        size = sum(path.stat().st_size for path in files.values())
        print(f"Would bring the Space {options.name} up to date with")
        print(f"  {len(files)} files, {size / 1e6:.1f} MB")
        print(f"  secrets: {', '.join(secrets) or 'none'}")
        print(f"  variables: {', '.join(variables) or 'none'}")
        return

    # Imported here: the address of the Hub is read at import, and `.env` may set it.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        _check_token(api)
        space = _find_or_create(api, options.name, options.private)
        for name, value in secrets.items():
            api.add_space_secret(options.name, name, value)
        for name, value in variables.items():
            api.add_space_variable(options.name, name, value)
        print(f"Set {len(secrets)} secrets and {len(variables)} variables")
        _push(api, options, space, files)
        _wait(api, options, secrets)
        space = api.space_info(options.name)
    except HFValidationError:
        fail(f"{options.name} is no name of a Space; it looks like USER/NAME.")
    except HfHubHTTPError as error:
        fail(_sentence(error, options.name))
    url = space.host or f"https://{space.subdomain}.hf.space"
    print(f"The Space runs at {url}")
    # A private Space lets in only who shows a token.
    headers = {"Authorization": f"Bearer {api.token or _token()}"} if space.private else {}
    ask(url, options.question, headers)


def needed_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Path in the Space and path here of every file that the image is built from.

    `.dockerignore` is the one list: it ignores everything but the lines that begin with `!`.
    """
    lines = (root / ".dockerignore").read_text().splitlines()
    for name in (*ALWAYS, *(line[1:] for line in lines if line.startswith("!"))):
        top = root / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            below = path.relative_to(top).parts
            hidden = any(part.startswith(".") or part == "__pycache__" for part in below)
            if path.is_file() and not hidden and path.suffix != ".pyc":
                yield path.relative_to(root).as_posix(), path


def _token() -> str:
    from huggingface_hub import get_token

    return get_token() or ""


def _check_token(api: HfApi) -> None:
    if not _token():
        fail("No token: put HF_TOKEN into .env, or run `hf auth login`.")
    user = api.whoami()
    print(f"Logged in as {user['name']}")


def _find_or_create(api: HfApi, name: str, private: bool) -> SpaceInfo:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        space = api.space_info(name)
    except RepositoryNotFoundError:
        api.create_repo(name, repo_type="space", space_sdk="docker", private=private)
        print(f"Created the Space {name}")
        return api.space_info(name)
    names = {file.rfilename for file in space.siblings or []}
    foreign = names - {".gitattributes", *ALWAYS}
    if space.sdk not in (None, "docker") or (foreign and "router.py" not in names):
        fail(f"{name} is already a Space with something else in it; choose another name.")
    return space


def _push(
    api: HfApi, options: argparse.Namespace, space: SpaceInfo, files: Mapping[str, Path]
) -> None:
    """One commit, so one build: everything that is needed, and nothing that is not any more."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    there = {file.rfilename for file in space.siblings or []}
    adding = [CommitOperationAdd(path, str(local)) for path, local in files.items()]
    leaving = [CommitOperationDelete(path) for path in there - {".gitattributes"} - files.keys()]
    commit = api.create_commit(
        options.name, [*adding, *leaving], commit_message="Update", repo_type="space"
    )
    if commit.oid == space.sha:
        print("All files are up to date")
    else:
        print(f"Pushed {len(files)} files")
        # The Hub needs a moment to see a commit; until then it reports the old stage.
        for _ in range(NOTICING):
            if api.get_space_runtime(options.name).stage in WORKING:
                break
            time.sleep(options.poll)


def _wait(api: HfApi, options: argparse.Namespace, secrets: Mapping[str, str]) -> None:
    """Until the Space runs. Ends with the reason, and the end of the log, if it will not."""
    name, deadline = options.name, time.monotonic() + options.timeout
    shown, woken = "", False
    while True:
        runtime = api.get_space_runtime(name)
        stage = str(getattr(runtime.stage, "value", runtime.stage))
        if stage != shown:
            print(f"Stage: {stage}")
            shown = stage
        if stage == "RUNNING":
            return
        if stage in ASLEEP and not woken:
            api.restart_space(name)
            woken = True
        elif stage not in WORKING and stage not in ASLEEP:
            reason = runtime.raw.get("errorMessage") or "The Space does not run."
            log = _log_tail(api, name, build=stage == "BUILD_ERROR", secrets=secrets)
            fail(f"{stage}: {reason}\n{log}".strip())
        if time.monotonic() > deadline:
            fail(
                f"After {options.timeout:.0f} s the Space is still in the stage {stage}. "
                f"Look at https://huggingface.co/spaces/{name}, or run this again."
            )
        time.sleep(options.poll)


def _log_tail(api: HfApi, name: str, build: bool, secrets: Mapping[str, str]) -> str:
    lines = deque(api.fetch_space_logs(name, build=build), maxlen=LOG_LINES)
    text = "\n".join(line.rstrip("\n") for line in lines)
    for secret in secrets.values():
        text = text.replace(secret, "•••")
    return text


def _sentence(error: Exception, name: str) -> str:
    """What the Hub refused, in a sentence; its own words only where there is none."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    owner = name.split("/")[0]
    return {
        401: "The Hub does not accept the token. Make a new one with write access at "
        "https://huggingface.co/settings/tokens and put it into HF_TOKEN.",
        402: f"A Docker Space needs a PRO account, which {owner} has not: "
        "https://huggingface.co/pro. Vercel and AWS Lambda are free: docs/deploy/index.md.",
        403: f"The token may not write to {owner}: it needs write access, and {owner} must be "
        "your user name or an organization of yours.",
        429: "The Hub asks for patience: too many requests. Run this again in a few minutes.",
    }.get(status, f"The Hub refused: {error}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Put the service on a Hugging Face Space.")
    parser.add_argument("name", help="USER/NAME of the Space")
    parser.add_argument("--private", action="store_true", help="if the Space is to be made")
    parser.add_argument("--question", default=QUESTION, help="what to ask in the end")
    parser.add_argument("--timeout", type=float, default=900, help="seconds to wait for it")
    parser.add_argument("--poll", type=float, default=3, help="seconds between two looks at it")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    deploy(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
