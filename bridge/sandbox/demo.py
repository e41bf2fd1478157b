"""The demo: both directions on this machine, interactive or unattended."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from rich.console import Console

from bridge.sandbox.demo_actions import (
    DEMO_EDITOR,
    DEMO_MODEL,
    DEMO_PROMPT_NAME,
    DEMO_PROMPT_PATH,
    build_template,
)
from bridge.sandbox.demo_environment import DEMO_LABEL, DemoEnvironment, open_demo_environment
from bridge.sandbox.unattended_demo import run_unattended_demo


def run_demo(folder: Path, *, once: bool, as_json: bool) -> bool:
    """Run the demo; with ``once``, every step unattended. True when every step succeeded."""
    with open_demo_environment(folder.resolve(), fixed_ports=not once) as environment:
        if once:
            return run_unattended_demo(environment, as_json=as_json)
        _invite(environment)
        return True


def _invite(environment: DemoEnvironment) -> None:
    environment.registry.save_version(
        DEMO_PROMPT_NAME,
        build_template(),
        metadata=DEMO_MODEL,
        actor=DEMO_EDITOR,
        commit_message="First draft",
    )
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"""
[bold]PromptLayer[/] (stand-in)   {environment.addresses["promptlayer"]}   save a prompt, move a label
[bold]Forge[/] (local)            {environment.addresses["forge"]}   review, merge or close
[bold]Dashboard[/] (the bridge)   {environment.addresses["bridge"]}   where every prompt is; sign in with [bold]{environment.dashboard_secret}[/]

Jane has just saved [bold]{DEMO_PROMPT_NAME}[/]; its pull request appears within seconds. Try:
  1. Read it on the forge's page, with what its evaluation found, and merge it.
  2. Change a word on the PromptLayer page: the change alone is proposed. Save twice: one pull request.
  3. Give version 1 the label [bold]{DEMO_LABEL}[/]: the label's own file is proposed.
  4. Close that pull request: the same content is not proposed again.
  5. Edit the file with git; the new version is on the PromptLayer page within seconds:
     git clone {environment.forge.create_git_remote().url} support-bot && cd support-bot
     edit {DEMO_PROMPT_PATH}, then git commit -am "By hand" && git push
  6. Change the same line on both sides before either is merged: one pull request shows both texts.

Ctrl-C ends it.""")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
