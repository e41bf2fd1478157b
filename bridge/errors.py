"""The errors of the bridge, as one tree. The base class of an error says how to react.

    BridgeError
    ├── InvalidInputError  the request or the input is wrong: answer 4xx, or show it to the person
    ├── TransientError     try again, in ``retry_after`` seconds at the earliest
    └── PermanentError     trying again cannot help: park it for a person

Messages are written for the person who reads them: what happened, to what, and what to do.
They never hold a secret. The adapter that calls a library
translates its errors into these.
"""

from __future__ import annotations


class BridgeError(Exception):
    """The root of the tree. ``str(error)`` is a full sentence for a person."""


class InvalidInputError(BridgeError):
    """A request, file or setting that cannot be accepted as it is."""


class SignatureMismatchError(InvalidInputError):
    """A delivery that no configured secret signed (HTTP 401)."""


class BodyTooLargeError(InvalidInputError):
    """A body over the limit (HTTP 413)."""


class BodyTimeoutError(InvalidInputError):
    """A body that did not arrive in time (HTTP 408)."""


class MalformedPayloadError(InvalidInputError):
    """A delivery that is not what the documentation describes (HTTP 400)."""


class ConfigError(InvalidInputError):
    """A mistake in ``bridge.yaml``: file, line and what was expected are in the message."""


class PromptFileError(InvalidInputError):
    """A mistake in a prompt file: file, line and what was expected are in the message."""


class ResultsError(InvalidInputError):
    """A mistake in a file of evaluation results: file, line and what was expected are in the
    message."""


class UnsafePathError(InvalidInputError):
    """A prompt whose file cannot be placed safely: a symlink in the way, a path too long."""


class TransientError(BridgeError):
    """An error that may pass. ``retry_after`` is in seconds; None leaves the pause to the
    engine."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(TransientError):
    """The server is down, slow, or cut the connection."""


class RateLimitedError(TransientError):
    """The server limits requests, or a limit of the bridge's own is reached."""


class StaleStateError(TransientError):
    """The branch changed while a reconcile ran (the push lost its lease): reconcile again."""


class TransientRefusalError(TransientError):
    """The server refused in a way that may pass, such as for a branch that it has not processed
    yet: the engine tries a few times, and then parks the proposal for a longer pause."""


class PermanentError(BridgeError):
    """A person has to change something first; the message says what."""


class UnauthorizedError(PermanentError):
    """A credential is missing, wrong or expired."""


class ForbiddenError(PermanentError):
    """A credential is valid and lacks a permission; the message names it in the forge's terms."""


class NotFoundError(PermanentError):
    """The repository, branch or prompt is not there, or hidden from this credential."""


class RequestRefusedError(PermanentError):
    """The server understood the request and refused it (validation, protected branch, plan)."""


class DraftsUnavailableError(RequestRefusedError):
    """The forge has no draft pull requests in this repository, as with some plans."""


class AlreadyExistsError(RequestRefusedError):
    """The thing to create exists already: find it again."""
