"""The manifests for Kubernetes: rendered and validated offline, closed, and in step with the code."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import kubernetes_validate
import pytest

from shared.settings import Settings
from tests.infra.manifests import SERVICES, Manifests, pods, setting, specs

#: The pause that is native needs 1.30 or later; the newest schemas that the package has are checked as well.
VERSIONS = ("1.30", kubernetes_validate.latest_version())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(manifests: Manifests, version: str) -> None:
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(dict(manifest), version, strict=True)


def test_a_pod_is_given_the_time_that_its_drain_takes(manifests: Manifests) -> None:
    drain = Settings.model_fields["drain_grace"].default
    for name, pod in pods(manifests):
        if name in SERVICES:
            pause = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            # Open requests and the admin port are given five seconds each.
            assert pod["terminationGracePeriodSeconds"] >= pause + drain + 10


def test_services_are_probed_on_their_admin_port(manifests: Manifests) -> None:
    for name, pod in pods(manifests):
        if name in SERVICES:
            container = pod["containers"][0]
            assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "admin"}
            assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "admin"}
            assert {"name": "admin", "containerPort": 9000} in container["ports"]
            # It may wait for Redis at first, and is not ended for that.
            startup = container["startupProbe"]
            assert startup["httpGet"]["path"] == "/health/live"
            assert startup["periodSeconds"] * startup["failureThreshold"] >= 60


def test_everything_is_probed(manifests: Manifests) -> None:
    for name, pod in pods(manifests):
        for container in pod["containers"]:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name


def test_no_container_has_rights(manifests: Manifests) -> None:
    for name, pod in pods(manifests):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] >= 999
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"]
            assert context["allowPrivilegeEscalation"] is False
            capabilities = dict(context["capabilities"])
            assert capabilities.pop("drop") == ["ALL"]
            # Caddy's program is not started without it; nothing else may add any.
            assert capabilities == ({"add": ["NET_BIND_SERVICE"]} if name == "gateway" else {})


def test_every_container_says_what_it_needs_and_may_take(manifests: Manifests) -> None:
    for _, pod in pods(manifests):
        for container in pod["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_everything_that_runs_survives_the_drain_of_a_node(manifests: Manifests) -> None:
    budgets = {
        spec["selector"]["matchLabels"]["app.kubernetes.io/name"] for _, spec in specs(manifests, "PodDisruptionBudget")
    }
    assert budgets == {name for name, _ in pods(manifests)}
    for name, pod in pods(manifests):
        if name != "redis":
            spread = {constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]}
            assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
            for constraint in pod["topologySpreadConstraints"]:
                assert constraint["maxSkew"] == 1
                assert constraint["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
    for name, spec in specs(manifests, "PodDisruptionBudget"):
        # None at all would hold up the drain of a node for ever.
        assert spec["maxUnavailable"] in (1, "25%"), name


def test_secrets_are_named_and_never_written_down(manifests: Manifests) -> None:
    assert not [manifest for manifest in manifests if manifest["kind"] == "Secret"]
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            for value in manifest["data"].values():
                assert not re.search(
                    r"(?im)^\s*(requirepass|masterauth|user)\b(?! \"\$)|secret_access|://[^/\s]*:[^/\s]*@", value
                )
    for name, pod in pods(manifests):
        mounts = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0].get("volumeMounts", [])}
        mounted = {volume["name"]: volume["secret"] for volume in pod.get("volumes", []) if "secret" in volume}
        for variable in pod["containers"][0].get("env", []):
            if re.search(r"SECRET|AUTH|PASSWORD|REDIS_URL|KEYS", variable["name"]):
                assert variable["name"].endswith("_FILE"), name
                secret = mounted[mounts[str(Path(variable["value"]).parent)]]
                # Not to be read by others, and there before the service starts.
                assert secret["defaultMode"] == 0o440
                assert not secret.get("optional")


def test_telemetry_is_sent_and_found(manifests: Manifests) -> None:
    endpoint = urlsplit(setting(manifests, "OTEL_EXPORTER_OTLP_ENDPOINT"))
    (rule,) = dict(specs(manifests, "NetworkPolicy"))["telemetry"]["egress"]
    namespace = rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert endpoint.hostname == f"collector.{namespace}.svc"
    assert {"protocol": "TCP", "port": endpoint.port} in rule["ports"]
    scraped = {}
    for name, spec in specs(manifests, "Deployment"):
        if name in SERVICES:
            scraped[name] = spec["template"]["metadata"]["annotations"]
    assert set(scraped) == SERVICES
    for annotations in scraped.values():
        assert annotations == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": "9000",
            "prometheus.io/path": "/metrics",
        }


def test_results_signs_links_and_webhooks(manifests: Manifests) -> None:
    given = {variable["name"] for variable in dict(pods(manifests))["results"]["containers"][0]["env"]}
    assert given >= {"DARKROOM_LINK_SECRET_FILE", "DARKROOM_WEBHOOK_SECRET_FILE"}


def test_without_keys_nothing_is_served(manifests: Manifests) -> None:
    for name, pod in pods(manifests):
        if name in ("ingest", "results"):
            given = {variable["name"] for variable in pod["containers"][0]["env"]}
            assert "DARKROOM_API_KEYS_FILE" in given
            assert "DARKROOM_INSECURE" not in given


def test_images_use_pinned_versions(manifests: Manifests) -> None:
    images = [container["image"] for _, pod in pods(manifests) for container in pod["containers"]]
    assert all(re.search(r":(local|\d+\.\d+[\w.-]*)$", image) for image in images)
