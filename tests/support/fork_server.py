"""Fork services from a process with everything imported, so that each starts at once.

python -m tests.support.fork_server FD

FD is a listening socket; clients of a killed service wait there for the next one. Each line on
standard input forks a service and prints its process id; end of input ends everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1
MODULES = ("router", "uvicorn.protocols.http.auto", "uvicorn.loops.auto", "uvicorn.lifespan.on")


async def warm_up() -> None:
    """Answer a question to trigger all lazy imports, and clean up."""
    from handlers import chat, delete

    answer = await chat.chat(chat.ChatRequest(message="How do I delete a conversation?"))
    assert isinstance(answer, chat.ChatResponse)
    await delete.delete(answer.session_id)


def serve_forever(listener: socket.socket) -> None:
    """Serve until killed, at the latest when the parent dies."""
    import uvicorn

    from router import app

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    config = uvicorn.Config(app, access_log=False, log_level="warning")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    births = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the service's output goes to the log
    for module in MODULES:
        importlib.import_module(module)
    asyncio.run(warm_up())
    child = 0
    for _ in sys.stdin:
        if child:
            os.waitpid(child, 0)
        child = os.fork()
        if child == 0:
            try:
                serve_forever(listener)
            finally:
                os._exit(1)
        births.write(f"{child}\n")
        births.flush()
    if child:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
