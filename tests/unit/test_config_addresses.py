"""Addresses and files of certificates in ``bridge.yaml``: what is wrong is told when it is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.bridge_config import BridgeConfig, GitHubSettings, load_config, parse_config
from bridge.config.config_files import ConfigFiles
from bridge.errors import ConfigError
from bridge.wiring import find_authorities
from tests.standins.certificates import CertificateAuthority

FILE = """\
promptlayer: {{api_key: key{promptlayer}}}
forges:
  hub: {{type: github, token: t{github}}}
  lab: {{type: gitlab, token: t{gitlab}}}
  local: {{type: local, root: forge{local}}}
{whole}mappings:
  - {{name: support, prompts: [a], repository: "hub:acme/support-bot"}}
"""
NOTHING = dict.fromkeys(("promptlayer", "github", "gitlab", "local", "whole"), "")
OIDC = "{{client_id: c, client_secret: s, viewers: ['*'], issuer: {}}}"
SETTINGS = {
    "promptlayer.base_url": ("promptlayer", ", base_url: {}"),
    "promptlayer.dashboard_url": ("promptlayer", ", dashboard_url: {}"),
    "forges.hub.url": ("github", ", url: {}"),
    "forges.lab.url": ("gitlab", ", url: {}"),
    "forges.local.page_url": ("local", ", page_url: {}"),
    "dashboard.url": ("whole", "dashboard: {{secret: 0123456789abcdef, url: {}}}\n"),
    "dashboard.oidc.issuer": (
        "whole",
        f"dashboard: {{{{url: 'https://b.example', oidc: {OIDC}}}}}\n",
    ),
}
WRONG = {
    "git.acme.example": "with its scheme",
    "git.acme.example:8443/git": "with its scheme",
    "ftp://git.acme.example": "with its scheme",
    "https://": "with its scheme",
    "'https://git.acme.example/ x'": "with its scheme",
    "https://user:hush@git.acme.example": "without user",
    "https://git.acme.example?x=1": "without user, ? and #",
    "https://git.acme.example:99999": "port from 1 to 65535",
}


def read(**parts: str) -> BridgeConfig:
    return parse_config(FILE.format(**{**NOTHING, **parts}), "bridge.yaml", {})


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("setting", SETTINGS)
def test_an_address_that_is_none_is_told_by_line(setting: str, wrong: str) -> None:
    part, text = SETTINGS[setting]
    with pytest.raises(ConfigError) as told:
        read(**{part: text.format(wrong)})

    assert "bridge.yaml:" in str(told.value)
    assert f"{setting}: " in str(told.value)
    assert WRONG[wrong] in str(told.value)
    assert "hush" not in str(told.value)


def test_an_address_may_have_a_port_a_path_and_a_slash_at_its_end() -> None:
    forge = read(github=", url: 'http://git.acme.example:8080/sub/'").forges["hub"]

    assert isinstance(forge, GitHubSettings)
    assert forge.url == "http://git.acme.example:8080/sub"


PLACES = {
    "ca_file": ("whole", "ca_file: {}\n"),
    "promptlayer.ca_file": ("promptlayer", ", ca_file: {}"),
    "forges.hub.ca_file": ("github", ", ca_file: {}"),
    "forges.lab.ca_file": ("gitlab", ", ca_file: {}"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_certificates_that_is_none_is_told_by_line(place: str, tmp_path: Path) -> None:
    part, text = PLACES[place]
    (tmp_path / "empty.pem").write_text("nothing here")
    for name, words in {"gone.pem": "cannot be read", "empty.pem": "no certificate in PEM"}.items():
        path = tmp_path / name
        with pytest.raises(ConfigError, match=words) as told:
            read(**{part: text.format(path)})
        assert f"{place}: " in str(told.value)


def test_certificates_of_the_whole_file_and_of_one_side_are_trusted_together(
    tmp_path: Path,
) -> None:
    whole, own = (
        CertificateAuthority(tmp_path, "Whole CA"),
        CertificateAuthority(tmp_path, "Own CA"),
    )
    parts = {"whole": f"ca_file: {whole.file.name}\n", "gitlab": f", ca_file: {own.file.name}"}
    path = tmp_path / "bridge.yaml"
    path.write_text(FILE.format(**{**NOTHING, **parts}))
    config = load_config(path, {})

    lab = config.forges["lab"]
    assert lab.type == "gitlab"
    trusted = find_authorities(config, lab.ca_file)
    assert trusted.count("BEGIN CERTIFICATE") == 2
    assert find_authorities(config, None).count("BEGIN CERTIFICATE") == 1
    assert {str(whole.file), str(own.file)} <= set(ConfigFiles(path)())
