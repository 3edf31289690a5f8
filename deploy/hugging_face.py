"""Deploy or update the service on a Hugging Face Space.

    python deploy/hugging_face.py USER/NAME [--free] [--private] [--dry-run]

The Space is built from the Dockerfile, which takes a PRO account. With --free it is a ZeroGPU
Space, which a free account can host. The command creates the Space if needed, sets its secrets
and variables from the environment and `.env`, pushes the files that it needs in one commit, waits
until the Space runs, asks a question and prints the answer. The token is HF_TOKEN, or the one
saved by `hf auth login`. Secrets are never printed. Another run pushes only what changed.
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

from deploy import free_space  # noqa: E402
from deploy.common import QUESTION, ask, fail, settings_for_host  # noqa: E402

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import SpaceInfo

ALWAYS = ("Dockerfile", ".dockerignore", "README.md", "LICENSE")
"""Pushed in addition to the files that `.dockerignore` admits; README.md configures the Space."""
WORKING = ("BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING")
ASLEEP = ("SLEEPING", "PAUSED", "STOPPED")
NOTICING = 8
"""Polls after which the build must have started."""
LOG_LINES = 20


def deploy(options: argparse.Namespace) -> None:
    if options.name.count("/") != 1:
        fail(f"{options.name} is not a Space name; use USER/NAME.")
    secrets, variables = settings_for_host()
    files = {name: path.read_bytes() for name, path in needed_files(ROOT)}
    if options.free:
        if "EMBEDDED" in variables:
            fail("A free Space cannot run the embedded engines: unset EMBEDDED in .env.")
        if problems := list(free_space.unreachable(secrets | variables)):
            fail("\n".join(problems))
        files = free_space.space_files(ROOT, files)
    if options.dry_run:
        size = sum(map(len, files.values()))
        kind = "free ZeroGPU Space" if options.free else "Space"
        print(f"Would update the {kind} {options.name} with")
        print(f"  {len(files)} files, {size / 1e6:.1f} MB")
        print(f"  secrets: {', '.join(secrets) or 'none'}")
        print(f"  variables: {', '.join(variables) or 'none'}")
        return

    # Imported late: it reads the Hub's address at import, and `.env` may set it.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        _check_token(api)
        space = _find_or_create(api, options)
        for name, value in secrets.items():
            api.add_space_secret(options.name, name, value)
        for name, value in variables.items():
            api.add_space_variable(options.name, name, value)
        print(f"Set {len(secrets)} secrets and {len(variables)} variables")
        _push(api, options, space, files)
        _wait(api, options, secrets)
        space = api.space_info(options.name)
    except HFValidationError:
        fail(f"{options.name} is not a Space name; use USER/NAME.")
    except HfHubHTTPError as error:
        fail(_sentence(error, options))
    url = space.host or f"https://{space.subdomain}.hf.space"
    print(f"The Space is running at {url}")
    # A private Space requires a token.
    headers = {"Authorization": f"Bearer {api.token or _token()}"} if space.private else {}
    ask(url, options.question, headers)


def needed_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the path in the Space and the local path of every file that the image needs.

    They are listed in `.dockerignore`, which ignores everything except the lines starting with `!`.
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
        fail("No token: add HF_TOKEN to .env, or run `hf auth login`.")
    user = api.whoami()
    print(f"Logged in as {user['name']}")


def _find_or_create(api: HfApi, options: argparse.Namespace) -> SpaceInfo:
    from huggingface_hub import SpaceHardware
    from huggingface_hub.errors import RepositoryNotFoundError

    name, sdk = options.name, "gradio" if options.free else "docker"
    try:
        space = api.space_info(name)
    except RepositoryNotFoundError:
        api.create_repo(
            name,
            repo_type="space",
            space_sdk=sdk,
            space_hardware=SpaceHardware(free_space.HARDWARE) if options.free else None,
            private=options.private,
        )
        print(f"Created the Space {name}")
        return api.space_info(name)
    names = {file.rfilename for file in space.siblings or []}
    foreign = names - {".gitattributes", *ALWAYS}
    if (space.sdk or sdk) != sdk and "router.py" in names:
        other = "without" if options.free else "with"
        fail(
            f"The Space {name} was made {other} --free, and the Hub cannot convert it: choose "
            f"another name, or run this {other} --free."
        )
    if (space.sdk or sdk) != sdk or (foreign and "router.py" not in names):
        fail(f"The Space {name} already exists with other content; choose another name.")
    return space


def _push(
    api: HfApi, options: argparse.Namespace, space: SpaceInfo, files: Mapping[str, bytes]
) -> None:
    """Push new and changed files and delete obsolete ones in one commit, so in one build."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    there = {file.rfilename for file in space.siblings or []}
    adding = [CommitOperationAdd(path, data) for path, data in files.items()]
    leaving = [CommitOperationDelete(path) for path in there - {".gitattributes"} - files.keys()]
    commit = api.create_commit(
        options.name, [*adding, *leaving], commit_message="Update", repo_type="space"
    )
    if commit.oid == space.sha:
        print("All files are up to date")
    else:
        print(f"Pushed {len(files)} files")
        # The Hub takes a moment to notice a commit; until then it reports the old stage.
        for _ in range(NOTICING):
            if api.get_space_runtime(options.name).stage in WORKING:
                break
            time.sleep(options.poll)


def _wait(api: HfApi, options: argparse.Namespace, secrets: Mapping[str, str]) -> None:
    """Wait until the Space runs. If it fails, exit with the reason and the end of the log."""
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
            reason = runtime.raw.get("errorMessage") or "The Space is not running."
            log = _log_tail(api, name, build=stage == "BUILD_ERROR", secrets=secrets)
            fail(f"{stage}: {reason}\n{log}".strip())
        if time.monotonic() > deadline:
            fail(
                f"After {options.timeout:.0f} s the Space is still in stage {stage}. "
                f"See https://huggingface.co/spaces/{name}, or run this again."
            )
        time.sleep(options.poll)


def _log_tail(api: HfApi, name: str, build: bool, secrets: Mapping[str, str]) -> str:
    lines = deque(api.fetch_space_logs(name, build=build), maxlen=LOG_LINES)
    text = "\n".join(line.rstrip("\n") for line in lines)
    for secret in secrets.values():
        text = text.replace(secret, "•••")
    return text


def _sentence(error: Exception, options: argparse.Namespace) -> str:
    """Explain an error from the Hub, or quote it if there is no explanation."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    owner = options.name.split("/")[0]
    payment = (
        f"The Hub does not let {owner} host a ZeroGPU Space. A free account can host two if it is "
        "older than 30 days and its e-mail address is verified."
        if options.free
        else f"A Docker Space needs a PRO account, which {owner} does not have: "
        "https://huggingface.co/pro. Add --free for a ZeroGPU Space, which needs none; Vercel "
        "and AWS Lambda are free too: docs/deploy/index.md."
    )
    return {
        401: "The Hub rejected the token. Create one with write access at "
        "https://huggingface.co/settings/tokens and set HF_TOKEN.",
        402: payment,
        403: f"The token cannot write to {owner}: it needs write access, and {owner} must be "
        "your user name or one of your organizations.",
        429: "Too many requests to the Hub. Run this again in a few minutes.",
    }.get(status, f"The Hub returned an error: {error}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Deploy the service to a Hugging Face Space.")
    parser.add_argument("name", help="USER/NAME of the Space")
    parser.add_argument(
        "--free", action="store_true", help="use a ZeroGPU Space, which needs no PRO account"
    )
    parser.add_argument("--private", action="store_true", help="create the Space as private")
    parser.add_argument("--question", default=QUESTION, help="question to ask after the deployment")
    parser.add_argument("--timeout", type=float, default=900, help="seconds to wait for the Space")
    parser.add_argument("--poll", type=float, default=3, help="seconds between polls")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would be done; change nothing"
    )
    deploy(parser.parse_args(arguments))


if __name__ == "__main__":
    main()
