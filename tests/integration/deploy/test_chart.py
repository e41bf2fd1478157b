"""The Helm chart: what it makes is kept in golden files, held against Kubernetes' own schemas."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from starlette.routing import Mount, Route

from bridge.cli.app import app
from bridge.config.bridge_config import load_config
from bridge.config.dashboard_settings import DashboardSettings
from bridge.config.reloadable_settings import RELOADABLE_SETTINGS
from bridge.storage.database import Database
from bridge.storage.inbox import DeliveryInbox
from tests.integration.dashboard.dashboard_browser import DashboardEnvironment
from tests.integration.deploy.test_container import ROOT, run
from tests.integration.manual_clock import ManualClock
from tests.programs import find_program

CHART = ROOT / "deploy/helm/promptlayer-bridge"
GOLDEN = Path(__file__).parent / "golden/chart"
NAMES = ("plain", "shared", "alone")
KUBERNETES = "1.33.0"
PLACE = ("--namespace", "prompts", "--kube-version", KUBERNETES)
SECRETS = ("PROMPTLAYER_API_KEY", "PROMPTLAYER_WEBHOOK_SECRET", "GITHUB_TOKEN")
SIGNED = DashboardSettings.model_validate(
    {
        "url": "https://bridge.example.com",
        "oidc": {
            "issuer": "https://login.example.com",
            "client_id": "bridge",
            "client_secret": "secret-of-nobody-at-all",
            "viewers": ["*"],
        },
    }
)

every = pytest.mark.parametrize("name", NAMES)


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    command = [find_program("helm"), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def rendered(name: str) -> list[dict[str, Any]]:
    """The documents of a golden file."""
    text = (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")
    return [document for document in yaml.safe_load_all(text) if document]


def pods(name: str) -> list[dict[str, Any]]:
    return [
        document["spec"]["template"]["spec"]
        for document in rendered(name)
        if document["kind"] == "Deployment"
    ]


def let_in(path: str) -> bool:
    """Does the ingress with everything switched on pass this path? By Kubernetes' own rules: a
    prefix is one of whole parts, and its last slash does not count."""
    (ingress,) = [each for each in rendered("shared") if each["kind"] == "Ingress"]
    (rule,) = ingress["spec"]["rules"]
    return any(
        path == each["path"]
        if each["pathType"] == "Exact"
        else f"{path}/".startswith(each["path"].rstrip("/") + "/")
        for each in rule["http"]["paths"]
    )


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[DashboardEnvironment]:
    clock = ManualClock()
    database = Database(f"sqlite:///{tmp_path}/bridge.sqlite")
    environment = DashboardEnvironment(database, DeliveryInbox(database, clock), clock)
    yield environment
    environment.close()


@every
def test_the_golden_file_is_what_helm_makes(name: str) -> None:
    values = str(GOLDEN / f"{name}.values.yaml")

    done = helm("template", "bridge", str(CHART), *PLACE, "--values", values)

    assert done.returncode == 0, done.stderr
    assert done.stdout == (GOLDEN / f"{name}.yaml").read_text(encoding="utf-8")


def test_helms_own_linter_is_content() -> None:
    done = helm("lint", "--strict", str(CHART))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "more",
    ["", ",serve.replicas=1", ",serve.replicas=1,work.replicas=0,work.autoscaling.enabled=true"],
)
def test_a_volume_for_several_processes_is_refused_with_what_to_do(more: str) -> None:
    values = f"secrets.existing=own,data.persistent=true{more}"

    done = helm("template", "bridge", str(CHART), *PLACE, "--set", values)

    assert "set serve.replicas: 1 and work.replicas: 0" in done.stderr
    assert "leave work.autoscaling off" in done.stderr


def render_deployments(*settings: str) -> dict[str, Any]:
    """The pod templates that helm makes of the values as they come with ``settings``, by part."""
    words = [word for each in ("secrets.existing=own", *settings) for word in ("--set", each)]
    done = helm("template", "bridge", str(CHART), *PLACE, *words)
    assert done.returncode == 0, done.stderr
    documents = [each for each in yaml.safe_load_all(done.stdout) if each]
    return {
        each["metadata"]["name"]: each["spec"]["template"]
        for each in documents
        if each["kind"] == "Deployment"
    }


def config_checksums(config: str) -> set[str]:
    templates = render_deployments(f"config={config}")
    return {each["metadata"]["annotations"]["checksum/config"] for each in templates.values()}


def test_a_changed_setting_that_cannot_be_reloaded_rolls_the_pods() -> None:
    before = config_checksums("data: /data\nworkers: 4\nquiet: 1s")

    assert config_checksums("data: /data\nworkers: 5\nquiet: 1s") != before


def test_a_changed_setting_that_running_processes_reload_rolls_no_pod() -> None:
    before = config_checksums("data: /data\nworkers: 4\nquiet: 1s")

    assert config_checksums("data: /data\nworkers: 4\nquiet: 2s") == before


def test_the_chart_knows_every_setting_that_is_reloaded() -> None:
    template = (CHART / "templates/_parts.tpl").read_text(encoding="utf-8")
    (words,) = re.findall(r"omit \$config ([^|]*)\|", template)

    assert set(re.findall(r'"(\w+)"', words)) == RELOADABLE_SETTINGS


def test_a_variable_that_no_pod_would_have_fails_the_template() -> None:
    done = helm(
        *("template", "bridge", str(CHART), *PLACE),
        *("--set", "secrets.values.GITHUB_TOKEN=x", "--set", "extraEnv[0].name=DATABASE_URL"),
    )

    assert done.returncode != 0
    names = "PROMPTLAYER_API_KEY, PROMPTLAYER_WEBHOOK_SECRET"
    assert f"bridge.yaml names {names}, which no pod would have" in done.stderr


def test_openshift_chooses_user_and_group_where_the_values_leave_them_out() -> None:
    templates = render_deployments("podSecurityContext.fsGroup=null")

    for template in templates.values():
        assert template["spec"]["securityContext"].keys() == {"runAsNonRoot", "seccompProfile"}


def test_the_pods_of_each_part_are_spread_by_themselves() -> None:
    for pod, part in zip(pods("shared"), ("serve", "work"), strict=True):
        (spread,) = pod["topologySpreadConstraints"]
        labels = spread["labelSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/component"] == part


def test_the_rules_of_prometheus_are_those_of_the_alerts_file() -> None:
    (rule,) = [each for each in rendered("shared") if each["kind"] == "PrometheusRule"]

    alerts = yaml.safe_load((ROOT / "deploy/alerts.yaml").read_text(encoding="utf-8"))
    assert rule["spec"] == alerts
    assert rule["metadata"]["labels"]["release"] == "prometheus"


@pytest.mark.parametrize("half", ["name", "key"])
def test_half_a_reference_to_the_token_of_the_metrics_is_refused(half: str) -> None:
    values = f"secrets.existing=own,podMonitor.enabled=true,podMonitor.tokenSecret.{half}=x"

    done = helm("template", "bridge", str(CHART), *PLACE, "--set", values)

    assert "podMonitor.tokenSecret wants both" in done.stderr


def test_prometheus_shows_the_token_that_stands_in_a_secret() -> None:
    (monitor,) = [each for each in rendered("shared") if each["kind"] == "PodMonitor"]

    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["authorization"] == {
        "credentials": {"name": "bridge-secrets", "key": "METRICS_TOKEN"}
    }


def test_the_ingress_lets_in_the_whole_dashboard_and_nothing_that_is_for_monitoring(
    environment: DashboardEnvironment,
) -> None:
    (front,) = [route for route in environment.app(SIGNED).routes if isinstance(route, Mount)]
    pages = [route.path for route in front.routes if isinstance(route, Route)]
    assert {"/", "/sign-in/oidc/callback", "/deliveries/{id}"} <= set(pages)

    assert [path for path in pages if not let_in(path)] == []
    assert let_in("/webhooks/promptlayer")
    assert [path for path in ("/metrics", "/readyz", "/healthz") if let_in(path)] == []


@every
def test_kubernetes_takes_what_the_chart_makes(name: str) -> None:
    said = run("kubernetes-validate", "--strict", "-k", KUBERNETES, GOLDEN / f"{name}.yaml")

    unknown = [line for line in said.splitlines() if line.startswith("WARN")]
    assert all(re.search("PodMonitor|PrometheusRule", line) for line in unknown)  # the operator's


@pytest.mark.parametrize("name", [None, *NAMES])
def test_the_values_are_what_their_schema_says(name: str | None) -> None:
    path = CHART / "values.yaml" if name is None else GOLDEN / f"{name}.values.yaml"
    schema = yaml.safe_load((CHART / "values.schema.json").read_text(encoding="utf-8"))

    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, schema)


@every
def test_a_pod_runs_without_rights_on_files_it_cannot_change(name: str) -> None:
    for pod in pods(name):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@every
def test_the_bridge_is_called_with_words_it_knows(name: str) -> None:
    commands: Any = typer.main.get_command(app)

    for pod in pods(name):
        command, *words = pod["containers"][0]["args"]
        commands.commands[command].make_context(command, list(words))  # raises at an unknown option


@every
def test_no_secret_stands_in_a_config_map(name: str) -> None:
    maps = [document for document in rendered(name) if document["kind"] == "ConfigMap"]

    texts = [text for each in maps for text in each["data"].values()]
    assert all("token: ${" not in text or "${GITHUB_TOKEN}" in text for text in texts)
    assert [each["kind"] for each in rendered(name) if "stringData" in each] == (
        ["Secret"] if name == "alone" else []
    )


@pytest.mark.parametrize("name", ["plain", "alone"])
def test_the_chart_brings_a_configuration_that_the_bridge_understands(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in SECRETS:
        monkeypatch.setenv(variable, "x")
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://bridge@database/bridge")
    (found,) = [d for d in rendered(name) if d["kind"] == "ConfigMap"]
    path = tmp_path / "bridge.yaml"
    path.write_text(found["data"]["bridge.yaml"], encoding="utf-8")

    config = load_config(path)

    assert str(config.data) == "/data"
