"""GitHub Apps: tokens that are minted and end."""

from __future__ import annotations

import pytest

from bridge.errors import (
    UnauthorizedError,
)
from bridge.forge.forge import AccessFindingSeverity
from bridge.forge.github import GitHubApp
from tests.integration.forge.github.setting import (
    APP,
    Clock,
    connected,
    posted,
    private_key,
    proposed,
)
from tests.standins.github import GitHubStandIn
from tests.standins.github_state import Repository


def test_an_app_proposes_with_a_token_it_minted_once(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    forge = connected(standin, GitHubApp(APP, private_key()[0]), clock)
    made = proposed(forge, site)
    assert forge.close_pull_request(made, "Bye").body == "Bye"
    assert posted(standin, "/access_tokens") == 1
    assert site.pull(1).author == "promptlayer-bridge[bot]"


def test_a_known_installation_is_not_looked_up(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    installation = standin.install_app(APP, "acme")
    forge = connected(standin, GitHubApp(APP, private_key()[0], installation.id), clock)
    assert forge.find_default_branch() == "main"
    assert [request.path.rpartition("/")[2] for request in standin.faults.requests] == [
        "access_tokens",
        "support-bot",
    ]


def test_the_credential_for_git_is_good_for_five_more_minutes(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    forge = connected(standin, GitHubApp(APP, private_key()[0]), clock)
    first = forge.create_git_remote().password
    clock.seconds += 3600 - 301
    assert forge.create_git_remote().password == first
    clock.seconds += 2
    second = forge.create_git_remote().password
    assert second != first
    clock.seconds += 300
    assert forge.find_default_branch() == "main"  # the first token is over by now
    assert posted(standin, "/access_tokens") == 2


def test_a_wrong_private_key_is_told_without_the_key(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    standin.install_app(APP, "acme")
    with pytest.raises(UnauthorizedError, match=r"PEM file") as broken:
        connected(standin, GitHubApp(APP, "-----BEGIN nonsense"), clock).create_git_remote()
    assert "nonsense" not in str(broken.value)
    with pytest.raises(UnauthorizedError, match="private_key_file"):
        connected(standin, GitHubApp(8, private_key()[0]), clock).create_git_remote()


def test_an_app_that_is_not_installed_is_told(
    standin: GitHubStandIn, site: Repository, clock: Clock
) -> None:
    (finding,) = connected(standin, GitHubApp(APP, private_key()[0]), clock).check_access()
    assert finding.severity is AccessFindingSeverity.PROBLEM
    assert "make an installation token" in finding.message
