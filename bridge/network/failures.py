"""Explain why a connection failed, with its cause and a remedy. It imports no HTTP library: each of
them wraps the same errors of the interpreter."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

# Verification results of OpenSSL: https://docs.openssl.org/3.0/man3/X509_STORE_CTX_get_error/
_WRONG_NAME = (62, 64)  # host name, IP address
_EXPIRED, _NOT_YET_VALID = 10, 9

# OpenSSL's errors where a client speaks TLS to plain HTTP, and the reverse.
_PLAIN_ON_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
)
# The beginning of a TLS alert, which libraries quote as a bad status line.
_TLS_ON_PLAIN = re.compile(r"\\x15\\x03[\\x]|\x15\x03")

REFUSED = "the connection was refused: nothing listens at that address and port"
UNKNOWN_HOST = "its host name is unknown here: check the name and this machine's DNS"
SPEAKS_PLAIN_HTTP = "that port speaks plain HTTP and not TLS: write http://, or the port of TLS"
SPEAKS_TLS = "that port speaks TLS and not plain HTTP: write https://"
NO_ANSWER = (
    "nothing answered in time: check the address, the port, and firewalls or proxies between"
)
CLOSED = "the connection was closed without an answer"
WRONG_NAME = "its certificate is for another host name: use the name that the certificate has"
EXPIRED = "its certificate has expired, or is not valid yet: renew it, and check the clocks"


# Responses to plain HTTP on a TLS port: nginx, Apache, Go.
_WANTS_TLS = re.compile(
    r"plain HTTP request was sent to HTTPS port|speaking plain HTTP to an SSL|HTTP request to an HTTPS",
    re.IGNORECASE,
)


def needs_tls(answer: str) -> bool:
    """Whether this response to plain HTTP says that the port speaks TLS."""
    return _WANTS_TLS.search(answer) is not None


def describe_untrusted(setting: str) -> str:
    """The message for an untrusted certificate. ``setting`` names certificate authorities in the
    settings."""
    return (
        "its certificate is signed by an authority that is not trusted here: name that authority's "
        f"file with {setting}, or add it to the system's store"
    )


def explain_connection_failure(error: BaseException, setting: str) -> str:
    """The cause, as the rest of a sentence about the server. ``setting`` is the setting that names
    certificate authorities for it."""
    errors = tuple(_all_of(error))
    for found in errors:
        if told := _explained(found, setting):
            return told
    if any(_TLS_ON_PLAIN.search(str(found)) for found in errors):
        return SPEAKS_TLS
    if any(isinstance(found, ConnectionError | EOFError) for found in errors):
        return CLOSED
    if any("disconnected without sending" in str(found) for found in errors):
        return CLOSED
    return "the connection failed or was cut"


def _explained(error: BaseException, setting: str) -> str | None:
    match error:
        case ssl.SSLCertVerificationError():
            return _of_certificate(error, setting)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "the server ended the TLS handshake: check that this port speaks TLS"
        case ssl.SSLError() if any(sign in str(error).upper() for sign in _PLAIN_ON_TLS):
            return SPEAKS_PLAIN_HTTP
        case ssl.SSLError() if "timed out" not in str(error):
            return f"the TLS handshake failed ({error.reason or 'no reason given'})"
        case socket.gaierror():
            return UNKNOWN_HOST
        case ConnectionRefusedError():
            return REFUSED
        case TimeoutError():
            return NO_ANSWER
    return None


def _of_certificate(error: ssl.SSLCertVerificationError, setting: str) -> str:
    if error.verify_code in _WRONG_NAME:
        return WRONG_NAME
    if error.verify_code in (_EXPIRED, _NOT_YET_VALID):
        return EXPIRED
    return describe_untrusted(setting)


def _all_of(error: BaseException) -> Iterator[BaseException]:
    """An error with all its causes, contexts and wrapped errors."""
    ahead, seen = [error], set[int]()
    while ahead:
        found = ahead.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        kept = (found.__cause__, found.__context__, getattr(found, "reason", None), *found.args)
        ahead += [each for each in kept if isinstance(each, BaseException)]
