"""The demo: the whole loop on this machine, to play with or unattended."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from rich.console import Console

from bridge.sandbox.demo_hand import JANE, MODEL, PATH, PROMPT, template
from bridge.sandbox.demo_loop import run_once
from bridge.sandbox.scene import LABEL, Scene, opened_scene


def run_demo(folder: Path, *, once: bool, as_json: bool) -> bool:
    """Run it; with ``once`` the whole loop unattended. True when every step did what it should."""
    with opened_scene(folder.resolve(), fixed_ports=not once) as scene:
        if once:
            return run_once(scene, as_json=as_json)
        _invite(scene)
        return True


def _invite(scene: Scene) -> None:
    scene.registry.save(
        PROMPT, template(), metadata=MODEL, actor=JANE, commit_message="First draft"
    )
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"""
[bold]PromptLayer[/] (stand-in)   {scene.addresses["promptlayer"]}   save a prompt, move a label
[bold]Forge[/] (local)            {scene.addresses["forge"]}   review, merge or close
[bold]Dashboard[/] (the bridge)   {scene.addresses["bridge"]}   where every prompt is; sign in with [bold]{scene.dashboard_secret}[/]

Jane has just saved [bold]{PROMPT}[/]; its pull request appears within seconds. Try:
  1. Read it on the forge's page and merge it.
  2. Change a word on the PromptLayer page: the change alone is proposed. Save twice: one pull request.
  3. Give version 1 the label [bold]{LABEL}[/]: the label's own file is proposed.
  4. Close that pull request: the same content is not proposed again.
  5. Edit the file with git; the new version is on the PromptLayer page within seconds:
     git clone {scene.forge.git_remote().url} support-bot && cd support-bot
     edit {PATH}, then git commit -am "By hand" && git push
  6. Change the same line on both sides before either is merged: one pull request shows both texts.

Ctrl-C ends it.""")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
