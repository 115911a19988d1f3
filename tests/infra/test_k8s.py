"""The manifests for Kubernetes: rendered and validated offline, closed, and in step with the code."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

from infra.k8s import scaling
from shared import keys
from shared.settings import Settings
from tests.support.parts import require

FOLDER = Path(__file__).parents[2] / "infra" / "k8s"
OVERLAYS = tuple(scaling.FLEETS)
SERVICES = {"ingest", "process", "results"}
#: The pause that is native needs 1.30 or later; the newest schemas that the package has are checked as well.
VERSIONS = ("1.30", kubernetes_validate.latest_version())

Manifest = Mapping[str, Any]
Manifests = list[Manifest]

_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "string", "pattern": "^[0-9]+$"}
_NUMBER = {"type": "integer", "minimum": 0}


def _closed(required: list[str], **properties: object) -> dict[str, object]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _streams_trigger(kind: str, address: str) -> dict[str, object]:
    metadata = _closed(
        [address, "stream", "consumerGroup"],
        **{address: {"type": "string", "pattern": r"^[\w.-]+:\d+(,[\w.-]+:\d+)*$"}},
        stream=_TEXT,
        consumerGroup=_TEXT,
        lagCount=_COUNT,
        activationLagCount=_COUNT,
        pendingEntriesCount=_COUNT,
    )
    # One of the two ways to count; the lag always with the count from which it wakes the first replica.
    metadata["oneOf"] = [{"required": ["lagCount", "activationLagCount"]}, {"required": ["pendingEntriesCount"]}]
    return _closed(
        ["type", "metadata", "authenticationRef"],
        type={"const": kind},
        metadata=metadata,
        authenticationRef=_closed(["name"], name=_TEXT),
    )


#: The fields that we use, from the documentation of KEDA 2.16 (ScaledObject specification, Redis Streams scalers).
KEDA = {
    "ScaledObject": _closed(
        ["scaleTargetRef", "triggers"],
        scaleTargetRef=_closed(["name"], name=_TEXT),
        pollingInterval=_NUMBER,
        cooldownPeriod=_NUMBER,
        initialCooldownPeriod=_NUMBER,
        minReplicaCount=_NUMBER,
        maxReplicaCount=_NUMBER,
        fallback=_closed(["failureThreshold", "replicas"], failureThreshold=_NUMBER, replicas=_NUMBER),
        advanced=_closed([], horizontalPodAutoscalerConfig=_closed([], behavior={"type": "object"})),
        triggers={
            "type": "array",
            "items": {
                "oneOf": [
                    _streams_trigger("redis-streams", "address"),
                    _streams_trigger("redis-cluster-streams", "addresses"),
                    _closed(
                        ["type", "metricType", "metadata"],
                        type={"const": "cpu"},
                        metricType={"enum": ["Utilization", "AverageValue"]},
                        metadata=_closed(["value"], value=_COUNT),
                    ),
                ]
            },
        },
    ),
    "TriggerAuthentication": _closed(
        ["secretTargetRef"],
        secretTargetRef={
            "type": "array",
            "items": _closed(["parameter", "name", "key"], parameter=_TEXT, name=_TEXT, key=_TEXT),
        },
    ),
}


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> tuple[str, Manifests]:
    """The name of an overlay and what kustomize makes of it."""
    beside = Path(sys.executable).parent / "kubectl"
    kubectl = require("kubectl", str(beside) if beside.exists() else shutil.which("kubectl"))
    done = subprocess.run(
        [kubectl, "kustomize", str(FOLDER / request.param)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return request.param, [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture
def manifests(overlay: tuple[str, Manifests]) -> Manifests:
    return overlay[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid(manifests: Manifests, version: str) -> None:
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(dict(manifest), version, strict=True)


def test_every_manifest_for_keda_has_only_fields_of_its_documentation(manifests: Manifests) -> None:
    ours = [manifest for manifest in manifests if manifest["apiVersion"] == "keda.sh/v1alpha1"]
    assert {manifest["kind"] for manifest in ours} == set(KEDA)
    for manifest in ours:
        jsonschema_rs.validate(KEDA[manifest["kind"]], manifest["spec"])


def test_the_files_of_triggers_are_what_the_code_makes() -> None:
    assert {path: path.read_text("utf-8") for path, _ in scaling.files()} == dict(scaling.files())


def test_every_stream_of_every_partition_is_watched(overlay: tuple[str, Manifests]) -> None:
    _, manifests = overlay
    partitions = int(_setting(manifests, "DARKROOM_PARTITIONS"))
    watched = {
        name: {
            (trigger["metadata"]["stream"], trigger["metadata"]["consumerGroup"])
            for trigger in spec["triggers"]
            if "lagCount" in trigger["metadata"]
        }
        for name, spec in _specs(manifests, "ScaledObject")
    }
    every = range(partitions)
    assert watched["process"] == {(keys.uploaded(p, bulk=b), keys.PROCESS_GROUP) for p in every for b in (False, True)}
    assert watched["results"] == {(keys.progress(p), keys.RESULTS_GROUP) for p in every} | {
        (keys.hooks(p), keys.HOOKS_GROUP) for p in every
    }


def test_workers_go_to_none_but_never_while_an_entry_is_pending(manifests: Manifests) -> None:
    spec = dict(_specs(manifests, "ScaledObject"))["process"]
    assert spec["minReplicaCount"] == 0
    lag = {t["metadata"]["stream"] for t in spec["triggers"] if "lagCount" in t["metadata"]}
    pending = {t["metadata"]["stream"] for t in spec["triggers"] if "pendingEntriesCount" in t["metadata"]}
    assert lag == pending


def test_one_thing_alone_decides_how_many_replicas_there_are(manifests: Manifests) -> None:
    """Two scalers of one Deployment, or one and a fixed number, would fight."""
    targets = [
        spec["scaleTargetRef"]["name"]
        for kind in ("ScaledObject", "HorizontalPodAutoscaler")
        for _, spec in _specs(manifests, kind)
    ]
    assert sorted(targets) == sorted(SERVICES)
    assert not [name for name, spec in _specs(manifests, "Deployment") if name in SERVICES and "replicas" in spec]


def test_a_pod_is_given_the_time_that_its_drain_takes(manifests: Manifests) -> None:
    drain = Settings.model_fields["drain_grace"].default
    for name, pod in _pods(manifests):
        if name in SERVICES:
            pause = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            # Open requests and the admin port are given five seconds each.
            assert pod["terminationGracePeriodSeconds"] >= pause + drain + 10


def test_services_are_probed_on_their_admin_port(manifests: Manifests) -> None:
    for name, pod in _pods(manifests):
        if name in SERVICES:
            container = pod["containers"][0]
            assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "admin"}
            assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "admin"}
            assert {"name": "admin", "containerPort": 9000} in container["ports"]


def test_no_container_has_rights(manifests: Manifests) -> None:
    for name, pod in _pods(manifests):
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
    for _, pod in _pods(manifests):
        for container in pod["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_everything_that_runs_survives_the_drain_of_a_node(manifests: Manifests) -> None:
    budgets = {
        spec["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for _, spec in _specs(manifests, "PodDisruptionBudget")
    }
    assert budgets == {name for name, _ in _pods(manifests)}
    for name, pod in _pods(manifests):
        if name != "redis":
            spread = {constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]}
            assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_the_network_is_closed_but_for_what_is_named(manifests: Manifests) -> None:
    policies = dict(_specs(manifests, "NetworkPolicy"))
    assert policies.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    # Whoever may come from anywhere must be the gateway.
    opened = [name for name, spec in policies.items() for rule in spec.get("ingress", []) if "from" not in rule]
    assert opened == ["gateway"]
    assert all("to" in rule and "ports" in rule for spec in policies.values() for rule in spec.get("egress", []))


def test_secrets_are_named_and_never_written_down(manifests: Manifests) -> None:
    assert not [manifest for manifest in manifests if manifest["kind"] == "Secret"]
    for manifest in manifests:
        if manifest["kind"] == "ConfigMap":
            for value in manifest["data"].values():
                assert not re.search(
                    r"(?im)^\s*(requirepass|masterauth|user)\b(?! \"\$)|secret_access|://[^/\s]*:[^/\s]*@", value
                )
    for name, pod in _pods(manifests):
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
    endpoint = urlsplit(_setting(manifests, "OTEL_EXPORTER_OTLP_ENDPOINT"))
    (rule,) = dict(_specs(manifests, "NetworkPolicy"))["telemetry"]["egress"]
    namespace = rule["to"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
    assert endpoint.hostname == f"collector.{namespace}.svc"
    assert {"protocol": "TCP", "port": endpoint.port} in rule["ports"]
    scraped = {}
    for name, spec in _specs(manifests, "Deployment"):
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
    given = {variable["name"] for variable in dict(_pods(manifests))["results"]["containers"][0]["env"]}
    assert given >= {"DARKROOM_LINK_SECRET_FILE", "DARKROOM_WEBHOOK_SECRET_FILE"}


def test_without_keys_nothing_is_served(manifests: Manifests) -> None:
    for name, pod in _pods(manifests):
        if name in ("ingest", "results"):
            given = {variable["name"] for variable in pod["containers"][0]["env"]}
            assert "DARKROOM_API_KEYS_FILE" in given
            assert "DARKROOM_INSECURE" not in given


def test_images_use_pinned_versions(manifests: Manifests) -> None:
    images = [container["image"] for _, pod in _pods(manifests) for container in pod["containers"]]
    assert all(re.search(r":(local|\d+\.\d+[\w.-]*)$", image) for image in images)


def _specs(manifests: Manifests, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for manifest in manifests:
        if manifest["kind"] == kind:
            yield manifest["metadata"]["name"], manifest["spec"]


def _pods(manifests: Manifests) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("Deployment", "StatefulSet"):
        for name, spec in _specs(manifests, kind):
            yield name, spec["template"]["spec"]


def _setting(manifests: Manifests, name: str) -> str:
    values = [m["data"][name] for m in manifests if m["kind"] == "ConfigMap" and name in m["data"]]
    assert len(values) == 1
    return str(values[0])
