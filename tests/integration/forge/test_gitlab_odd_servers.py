"""A GitLab that is not quite one, and one that moved: every answer is an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import BridgeError, RequestRefusedError, TransientRefusalError
from bridge.forge.forge import PullRequestContent
from tests.contract.gitlab_case import GitLabCase, gitlab_case
from tests.standins.fault_injection import status

HEAD = "promptlayer/reply"


@pytest.fixture
def case(tmp_path: Path) -> Iterator[GitLabCase]:
    with gitlab_case(tmp_path) as case:
        yield case


@pytest.mark.parametrize("body", ["502", '"Bad gateway"', "[502]", "true"])
@pytest.mark.parametrize("code", [502, 422, 404, 200])
def test_json_that_is_no_object_is_an_error_of_ours(code: int, body: str, case: GitLabCase) -> None:
    as_json = {"Content-Type": "application/json"}
    for ask in (
        case.forge.find_default_branch,
        lambda: case.forge.list_open_pull_requests("promptlayer/"),
        lambda: case.forge.find_pull_request(1),
        lambda: case.forge.upsert_comment(1, "conflict", "Look"),
    ):
        case.standin.faults.add("/api/v4/", status(code, body, as_json), times=9)
        with pytest.raises(BridgeError):
            ask()
        case.standin.faults.clear()


def test_a_server_that_moved_is_named_and_not_followed(case: GitLabCase) -> None:
    place = {"Location": "https://gitlab.acme.example/api/v4/projects/1?private_token=hush"}
    case.standin.faults.add("/api/v4/", status(301, {}, place), times=9)
    with pytest.raises(
        RequestRefusedError, match=r"has moved .*to https://gitlab\.acme\.example"
    ) as told:
        case.forge.find_default_branch()
    assert "hush" not in str(told.value)


def test_a_branch_that_gitlab_has_not_noticed_yet_is_tried_again(case: GitLabCase) -> None:
    case.project.notices_late = 1
    case.seed_branch(HEAD, {"a.txt": b"a"})
    content = PullRequestContent("Title", "Body")
    with pytest.raises(TransientRefusalError, match="does not exist"):
        case.forge.create_pull_request(HEAD, "main", content)
    assert case.forge.create_pull_request(HEAD, "main", content).number == 1
