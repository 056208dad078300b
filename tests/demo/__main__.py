"""`make demo`: a real server, real pictures, and the whole way of a job, in about half a minute.

Exit status 0 when everything that is shown was also checked and holds; 1 when something does not; 130 on Ctrl-C.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

import runward
from tests.demo.claims import Claims
from tests.demo.label import make_label
from tests.demo.picture import MissingPictureError, make_pictures
from tests.demo.story import NotReadyError, scene, tell
from tests.programs.server_process import ServerError, ServerProcess

if TYPE_CHECKING:
    from types import FrameType

ABOUT = "Runward runs image-analysis plugins as governed, durable jobs, over gRPC."
NEXT = """
Next: [bold]make serve[/], and in another terminal, on a picture of yours:
      [bold].venv/bin/runward analyze ocr FILE[/]
"""
WIDEST = 110
INTERRUPTED = 130


def main() -> int:
    """Run the demo; the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_now)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr] # a terminal that knows few letters
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    claims = Claims()
    start = time.monotonic()
    try:
        run(console, claims)
    except KeyboardInterrupt:
        console.print("\nStopped. Nothing is left running.")
        return INTERRUPTED
    except (ServerError, NotReadyError, MissingPictureError, runward.RunwardError) as problem:
        console.print(Text(f"\nThe demo cannot go on. {problem}", style="red"))
        return 1
    return end(console, claims, time.monotonic() - start)


def stop_now(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


def run(console: Console, claims: Claims) -> None:
    """Start a server, tell the story, stop the server."""
    console.print(Panel(Text(ABOUT), title="Runward demo", title_align="left", border_style="cyan"))
    with ServerProcess(plugins=["Fails"]) as server:
        console.print(f"  [bold]runward serve[/] is ready on {server.address} after {server.ready_seconds:.2f} s,")
        console.print(f"  with an empty data folder in {server.folder}.")
        pictures = make_pictures(server.folder / "pictures", make_label(random.Random()))
        try:
            asyncio.run(tell(console, server.address, pictures, claims))
        except (NotReadyError, runward.RunwardError):
            console.print(Text(server.log_tail(), style="dim"))
            raise
        with console.status("  stopping the server"):
            server.stop()
    claims.equal(
        "the server stopped cleanly on SIGTERM and left no process behind",
        (server.exit_code, server.survivors),
        (0, []),
    )
    claims.check("its data folder is gone", holds=not server.folder.exists(), found=server.folder)


def end(console: Console, claims: Claims, seconds: float) -> int:
    """Say which claims hold and what to try next; the exit status."""
    scene(console, "Checked", f"{seconds:.0f} seconds in all.")
    console.print(claims.render())
    if claims.broken:
        console.print(Text(f"\n{len(claims.broken)} of the claims above do not hold.", style="bold red"))
        return 1
    console.print(NEXT.rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
