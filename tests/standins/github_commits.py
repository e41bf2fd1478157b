"""The routes of the GitHub stand-in about single commits."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from tests.standins.git_http import git_says
from tests.standins.github_rest import REPOSITORY, Call, Handler, page_of
from tests.standins.github_state import CommitStatus, Refusal, invalid

STATES = {"error", "failure", "pending", "success"}
DESCRIPTION_LIMIT = 140


def create_status(call: Call) -> Response:
    call.require("statuses")
    repository, body = call.repository, call.body
    commit = _known_commit(call)
    if body.get("state") not in STATES:
        raise invalid(resource="Status", field="state", code="invalid")
    if len(body.get("description") or "") > DESCRIPTION_LIMIT:
        too_long = f"description is too long (maximum is {DESCRIPTION_LIMIT} characters)"
        raise invalid(too_long, resource="Status")
    status = CommitStatus(
        id=len(repository.statuses) + 1,
        commit=commit,
        context=body.get("context", "default"),
        state=body["state"],
        description=body.get("description"),
        target_url=body.get("target_url"),
        author=call.credential.login,
        at=repository.now(),
    )
    repository.statuses.append(status)
    return JSONResponse(call.shapes.status(repository, status), 201)


def show_combined_status(call: Call) -> Response:
    """The newest status of each context."""
    commit, repository = _known_commit(call), call.repository
    newest = {each.context: each for each in repository.statuses if each.commit == commit}
    statuses = [call.shapes.status(repository, each) for each in newest.values()]
    states = {each.state for each in newest.values()}
    state = "failure" if states & {"failure", "error"} else "pending"
    body = {
        "state": "success" if states == {"success"} else state,
        "sha": commit,
        "total_count": len(statuses),
        "statuses": statuses,
    }
    return JSONResponse(body)


def list_pulls(call: Call) -> Response:
    commit, repository = _known_commit(call), call.repository
    repository.refresh()
    pulls = [pull for pull in repository.pulls.values() if repository.brings(pull, commit)]
    page, headers = page_of(call, pulls)
    shapes = [call.shapes.pull(repository, pull, call.credential) for pull in page]
    return JSONResponse(shapes, headers=headers)


def _known_commit(call: Call) -> str:
    commit: str = call.request.path_params["commit"]
    if git_says(call.repository.path, "cat-file", "-t", commit) != "commit":
        raise Refusal(422, f"No commit found for SHA: {commit}")
    return commit


COMMIT_ROUTES: list[tuple[str, str, Handler]] = [
    ("POST", f"{REPOSITORY}/statuses/{{commit}}", create_status),
    ("GET", f"{REPOSITORY}/commits/{{commit}}/pulls", list_pulls),
    ("GET", f"{REPOSITORY}/commits/{{commit}}/status", show_combined_status),
]
