"""Everything that can go wrong, as one tree. The family says what to do about it.

    BridgeError
    ├── InvalidInputError  the request or the input is wrong: answer 4xx, or show it to the person
    ├── TransientError     try again later, not before ``retry_after`` seconds
    └── PermanentError     trying again cannot help: park it, a person looks

Messages are written for the person who reads them: what happened, to what, and what to do.
They never hold a secret. Errors of libraries are translated into these at the edge where they
appear and never passed on.
"""

from __future__ import annotations


class BridgeError(Exception):
    """The root of the tree. ``str(error)`` is a full sentence for a person."""


class InvalidInputError(BridgeError):
    """What was asked cannot be accepted as it stands: a bad request, file or setting."""


class SignatureMismatchError(InvalidInputError):
    """A delivery that nobody with one of our secrets signed (HTTP 401)."""


class BodyTooLargeError(InvalidInputError):
    """A body over the limit (HTTP 413)."""


class BodyTimeoutError(InvalidInputError):
    """A body that did not come in time (HTTP 408)."""


class MalformedPayloadError(InvalidInputError):
    """A delivery that is not what the documentation describes (HTTP 400)."""


class ConfigError(InvalidInputError):
    """A mistake in ``bridge.yaml``: file, line and what was expected are in the message."""


class PromptFileError(InvalidInputError):
    """A mistake in a prompt file: file, line and what was expected are in the message."""


class ResultsError(InvalidInputError):
    """A mistake in a file of evaluation results: file, line and what was expected are told."""


class UnsafePathError(InvalidInputError):
    """A prompt whose file cannot be placed safely: a symlink in the way, a path too long."""


class TransientError(BridgeError):
    """It may well work later. ``retry_after`` is in seconds; None leaves the pause to the engine."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(TransientError):
    """The other side is down, slow, or cut the connection."""


class RateLimitedError(TransientError):
    """The other side asked us to slow down, or one of our own limits is reached."""


class StaleStateError(TransientError):
    """The world moved while we were looking (push lease lost, branch moved): look again."""


class TransientRefusalError(TransientError):
    """The other side said no in a way that may pass by itself, such as a branch that it has not
    noticed yet: the engine tries a few times, and then parks it until a longer pause is over."""


class PermanentError(BridgeError):
    """A person has to change something first; the message says what."""


class UnauthorizedError(PermanentError):
    """A credential is missing, wrong or expired."""


class ForbiddenError(PermanentError):
    """A credential is valid and lacks a permission; the message names it in the forge's terms."""


class NotFoundError(PermanentError):
    """The repository, branch or prompt is not there, or hidden from this credential."""


class RequestRefusedError(PermanentError):
    """The other side understood and said no (validation, protected branch, plan)."""


class DraftsUnavailableError(RequestRefusedError):
    """The forge has no draft pull requests in this repository, as with some plans."""


class AlreadyExistsError(RequestRefusedError):
    """What was to be created is there already: find it again."""
