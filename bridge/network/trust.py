"""The trusted certificate authorities: the system's, and those that the settings name.

The HTTP clients and git use the same ones, so one ``ca_file`` serves all. The variables that each
library reads (``ENVIRONMENT``) are trusted by all of them too.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import truststore

ENVIRONMENT = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO")

_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.+?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)
# The distributions' stores as one file, for git; the list is truststore's.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/ca-bundle.pem",
)


def read_authorities(*files: Path | None) -> str:
    """The certificates of these PEM files, each once, as one PEM text; files may be None. Raises
    OSError for a file that cannot be read and ValueError for one without a certificate."""
    return _joined(block for file in files if file for block in _certificates(file))


@cache
def create_ssl_context(authorities: str = "") -> ssl.SSLContext:
    """A client's TLS context that trusts the system's store, the files that the environment names,
    and ``authorities`` (a PEM text). Cached, as reading a store takes a while."""
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for text in (authorities, _named_by_environment()):
        if text:
            context.load_verify_locations(cadata=text)
    return context


def write_ca_bundle(authorities: str, folder: Path) -> Path | None:
    """Write a file in ``folder`` with the system's store and ``authorities``, for git, which reads
    one file alone. None where the system's store suffices. Raises OSError."""
    own = authorities + _named_by_environment()
    if not own:
        return None
    text = _system_store() + own
    path = folder / f"ca-{hashlib.sha256(text.encode()).hexdigest()[:16]}.pem"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=folder, prefix="ca-")
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.replace(unfinished, path)
    return path


def _certificates(file: Path) -> Iterator[str]:
    blocks = _CERTIFICATE.findall(file.read_bytes())
    if not blocks:
        raise ValueError("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    return (block.decode("ascii") for block in blocks)


def _joined(blocks: Iterable[str]) -> str:
    return "".join(f"{block}\n" for block in dict.fromkeys(blocks))


@cache
def _named_by_environment() -> str:
    """The certificates that the libraries' variables name; read once for a process."""
    files = (Path(os.environ[name]) for name in ENVIRONMENT if os.environ.get(name))
    return _joined(block for file in files for block in _readable(file))


@cache
def _system_store() -> str:
    found = next((Path(name) for name in _SYSTEM_FILES if Path(name).is_file()), None)
    return _joined(_readable(found)) if found else ""


def _readable(file: Path) -> Iterable[str]:
    try:
        return tuple(_certificates(file))
    except (OSError, ValueError):
        return ()  # a folder, or nothing: each library handles it
