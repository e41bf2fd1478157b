"""What GitLab's refusals mean to the bridge."""

from __future__ import annotations

import pytest

from bridge import errors
from bridge.forge.gitlab_errors import (
    build_interruption_error,
    build_refusal_error,
    parse_rate_limit,
)


@pytest.mark.parametrize(
    ("status", "body", "family"),
    [
        (401, b'{"message": "401 Unauthorized"}', errors.UnauthorizedError),
        (403, b'{"message": "403 Forbidden"}', errors.ForbiddenError),
        (404, b'{"message": "404 Project Not Found"}', errors.NotFoundError),
        (409, b'{"message": ["Another open merge request already exists: !5"]}', errors.AlreadyExistsError),
        (409, b'{"message": "409 Conflict: resource lock"}', errors.TransientRefusalError),
        (400, b"<html>Bad request</html>", errors.RequestRefusedError),
        (422, b'["unexpected"]', errors.RequestRefusedError),
        (500, b"", errors.UnavailableError),
        (503, b"<html>Deploy in progress</html>", errors.UnavailableError),
    ],
)  # fmt: skip
def test_each_status_has_its_error_and_no_page_is_quoted(
    status: int, body: bytes, family: type[errors.BridgeError]
) -> None:
    error = build_refusal_error("gitlab:a/b: could not list", status, body)

    assert type(error) is family
    assert str(error).startswith("gitlab:a/b: could not list, because ")
    assert "<html" not in str(error)


@pytest.mark.parametrize("status", [200, 201, 304, 404, 500])
def test_any_other_answer_goes_on(status: int) -> None:
    assert build_interruption_error("gitlab:a/b", status, {}, now=0.0) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"RateLimit-Reset": "1060"}, 60.0),
        ({"RateLimit-Reset": "900"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_pause_after_a_rate_limit_is_read_from_the_headers(
    headers: dict[str, str], seconds: float | None
) -> None:
    limited = build_interruption_error("gitlab:a/b", 429, headers, now=1000.0)

    assert isinstance(limited, errors.RateLimitedError)
    assert limited.retry_after == seconds


def test_gitlabs_words_are_flattened_and_shortened() -> None:
    body = (
        b'{"message": {"title": ["can\'t be blank", "is bad"], "base": ["' + b"x" * 9000 + b'"]}}'
    )

    message = str(build_refusal_error("gitlab:a/b: could not open one", 400, body))

    assert "GitLab says: title: can't be blank is bad base: xxx" in message
    assert len(message) < 1000


@pytest.mark.parametrize("wrong", ["", "soon", "1e400", "9" * 30])
def test_headers_that_cannot_be_read_tell_no_budget(wrong: str) -> None:
    headers = {"RateLimit-Limit": "2000", "RateLimit-Remaining": "7", "RateLimit-Reset": wrong}

    assert parse_rate_limit(headers) is None
    assert parse_rate_limit({}) is None
