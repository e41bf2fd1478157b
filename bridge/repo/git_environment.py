"""How a remote and its credential reach git: by environment, never by argument, URL or file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bridge.forge.forge import GitRemote

REMOTE_NAME = "origin"  # the one name under which git knows the remote of the moment

# Git calls this with "get", "store" or "erase"; only the names of the variables are in it.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" '
    '"$BRIDGE_GIT_USERNAME" "$BRIDGE_GIT_PASSWORD"; }; f'
)

# Nothing of the machine's or the user's configuration may change what we do or ask a question.
NON_INTERACTIVE_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "file:http:https:ssh",
    "GIT_ASKPASS": "",
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def build_config_environment(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The environment that makes git see these configuration settings, in this order."""
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def build_remote_environment(
    remote: GitRemote,
    *,
    settings: Sequence[tuple[str, str]] = (),
    patience: float,
    ca_bundle: Path | None = None,
) -> dict[str, str]:
    """Build the environment in which git reaches ``remote`` under the name ``REMOTE_NAME``. The
    credential is offered to the remote's own scheme, host and port only; a transfer without
    progress for ``patience`` seconds ends by itself, even after the bridge was killed.
    ``ca_bundle`` is all that is trusted; None is git's own choice, the system's store."""
    options = [
        (f"remote.{REMOTE_NAME}.url", remote.url),
        ("http.followRedirects", "initial"),
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", str(max(1, int(patience)))),
        *_credential(remote),
        *settings,
    ]
    variables = build_config_environment(options)
    variables["GIT_SSH_COMMAND"] = os.environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    if remote.url.startswith(("https:", "http:")):
        variables |= _web(ca_bundle)
    if remote.password is not None:
        variables["BRIDGE_GIT_USERNAME"] = remote.username or "git"
        variables["BRIDGE_GIT_PASSWORD"] = remote.password
    return variables


def _web(ca_bundle: Path | None) -> dict[str, str]:
    """Build the variables that curl, inside git, reads. It would take a credential out of
    ~/.netrc before it uses the given one, so HOME points nowhere; it reads the proxy for
    plain HTTP in small letters only."""
    variables = {"HOME": os.devnull}
    proxy = os.environ.get("http_proxy") or os.environ.get("HTTP_PROXY")
    if proxy:
        variables["http_proxy"] = proxy
    if ca_bundle:
        variables["GIT_SSL_CAINFO"] = str(ca_bundle)
    return variables


def mask_password(text: str, remote: GitRemote) -> str:
    """``text`` with the remote's password blotted out."""
    return text.replace(remote.password, "***") if remote.password else text


def mask_url_credentials(url: str) -> str:
    """A URL fit for a message, even where somebody wrote a credential into it."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _credential(remote: GitRemote) -> list[tuple[str, str]]:
    forget_others = ("credential.helper", "")
    if remote.password is None:
        return [forget_others]
    parts = urlsplit(remote.url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return [forget_others, (f"credential.{place}.helper", _HELPER)]
