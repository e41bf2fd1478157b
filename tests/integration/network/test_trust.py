"""Certificates: one setting for every client, and each cause of a failure told apart."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.errors import BridgeError, NotFoundError, UnavailableError
from bridge.network import failures
from bridge.network.trust import ENVIRONMENT, read_authorities
from tests.integration.network.clients import Ask
from tests.integration.network.conftest import forget_environment
from tests.standins.certificates import CertificateAuthority
from tests.standins.tls_server import serving_nothing


def test_a_private_authority_is_trusted_where_it_is_named(
    ask: Ask, authority: CertificateAuthority, tmp_path: Path
) -> None:
    with serving_nothing(authority.issue()) as (url, _), pytest.raises(NotFoundError):
        ask(url, read_authorities(authority.file), tmp_path)


def test_a_private_authority_is_named_as_the_cause_where_it_is_not_trusted(
    ask: Ask, authority: CertificateAuthority, tmp_path: Path
) -> None:
    stranger = CertificateAuthority(tmp_path, "Another CA")
    for trusted in ("", read_authorities(stranger.file)):
        with (
            serving_nothing(authority.issue()) as (url, _),
            pytest.raises(UnavailableError, match=r"authority that is not trusted here: .*ca_file"),
        ):
            ask(url, trusted, tmp_path)


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_the_variables_of_the_libraries_serve_every_client(
    variable: str,
    ask: Ask,
    authority: CertificateAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    forget_environment()
    with serving_nothing(authority.issue()) as (url, _), pytest.raises(NotFoundError):
        ask(url, "", tmp_path)


def test_a_certificate_for_another_host_is_said_to_be_one(
    ask: Ask, authority: CertificateAuthority, tmp_path: Path
) -> None:
    with serving_nothing(authority.issue("git.acme.example")) as (url, _):
        assert told(ask, url, read_authorities(authority.file), tmp_path) == failures.WRONG_NAME


def test_a_certificate_that_is_over_is_said_to_be(
    ask: Ask, authority: CertificateAuthority, tmp_path: Path
) -> None:
    with (
        serving_nothing(authority.issue(life=timedelta(days=-1))) as (url, _),
        pytest.raises(UnavailableError, match=r"certificate .*expired"),
    ):
        ask(url, read_authorities(authority.file), tmp_path)


def test_a_port_that_speaks_plain_http_is_said_to(ask: Ask, tmp_path: Path) -> None:
    with serving_nothing() as (url, _):
        secure = url.replace("http:", "https:")
        assert told(ask, secure, "", tmp_path) == failures.SPEAKS_PLAIN_HTTP


def test_a_port_that_speaks_tls_does_not_read_like_one_that_is_wrong(
    ask: Ask, authority: CertificateAuthority, tmp_path: Path
) -> None:
    with serving_nothing(authority.issue()) as (url, _):
        plain = url.replace("https:", "http:")
        found = told(ask, plain, "", tmp_path)
    assert found in (failures.SPEAKS_TLS, failures.CLOSED)


def test_a_port_where_nobody_listens_is_said_to_be_one(ask: Ask, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and not listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert told(ask, url, "", tmp_path) == failures.REFUSED


def test_a_host_that_is_unknown_is_said_to_be(ask: Ask, tmp_path: Path) -> None:
    assert told(ask, "https://nowhere.invalid", "", tmp_path) == failures.UNKNOWN_HOST


CAUSES = (
    failures.WRONG_NAME,
    failures.EXPIRED,
    failures.SPEAKS_PLAIN_HTTP,
    failures.SPEAKS_TLS,
    failures.UNKNOWN_HOST,
    failures.REFUSED,
    failures.NO_ANSWER,
    failures.CLOSED,
)


def told(ask: Ask, url: str, authorities: str, folder: Path) -> str | list[str]:
    """The one cause that the error names, or all that was said."""
    with pytest.raises(BridgeError) as error:
        ask(url, authorities, folder)
    assert isinstance(error.value, UnavailableError), error.value
    named = [cause for cause in CAUSES if cause in str(error.value)]
    return named[0] if len(named) == 1 else [*named, str(error.value)]
