"""How Kubernetes scales: KEDA on what waits in each partition, down to no worker at all, and processors for ingest."""

import jsonschema_rs

from infra.k8s import scaling
from shared import keys
from tests.infra.manifests import SERVICES, Manifests, setting, specs

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


def test_every_manifest_for_keda_has_only_fields_of_its_documentation(manifests: Manifests) -> None:
    ours = [manifest for manifest in manifests if manifest["apiVersion"] == "keda.sh/v1alpha1"]
    assert {manifest["kind"] for manifest in ours} == set(KEDA)
    for manifest in ours:
        jsonschema_rs.validate(KEDA[manifest["kind"]], manifest["spec"])


def test_it_comes_to_the_queue_as_a_user_of_its_own(overlay: tuple[str, Manifests]) -> None:
    name, manifests = overlay
    ((_, spec),) = specs(manifests, "TriggerAuthentication")
    wanted = {(one["parameter"], one["key"]) for one in spec["secretTargetRef"]}
    assert wanted == {("username", "keda-username"), ("password", "keda-password")}
    # Whoever makes the secret is told of both, and a queue of ours is given the password.
    told = (scaling.FOLDER / name / "kustomization.yaml").read_text("utf-8")
    assert all(f"--from-literal={key}=" in told for _, key in wanted)
    for _, queue in specs(manifests, "StatefulSet"):
        (secrets,) = (
            volume["secret"] for volume in queue["template"]["spec"]["volumes"] if volume["name"] == "secrets"
        )
        assert {"key": "keda-password", "path": "redis-keda-password"} in secrets["items"]


def test_the_files_of_triggers_are_what_the_code_makes() -> None:
    assert {path: path.read_text("utf-8") for path, _ in scaling.files()} == dict(scaling.files())


def test_every_stream_of_every_partition_is_watched(overlay: tuple[str, Manifests]) -> None:
    _, manifests = overlay
    partitions = int(setting(manifests, "DARKROOM_PARTITIONS"))
    watched = {
        name: {
            (trigger["metadata"]["stream"], trigger["metadata"]["consumerGroup"])
            for trigger in spec["triggers"]
            if "lagCount" in trigger["metadata"]
        }
        for name, spec in specs(manifests, "ScaledObject")
    }
    every = range(partitions)
    assert watched["process"] == {(keys.uploaded(p, bulk=b), keys.PROCESS_GROUP) for p in every for b in (False, True)}
    assert watched["results"] == {(keys.progress(p), keys.RESULTS_GROUP) for p in every} | {
        (keys.hooks(p), keys.HOOKS_GROUP) for p in every
    }


def test_workers_go_to_none_but_never_while_an_entry_is_pending(manifests: Manifests) -> None:
    spec = dict(specs(manifests, "ScaledObject"))["process"]
    assert spec["minReplicaCount"] == 0
    lag = {t["metadata"]["stream"] for t in spec["triggers"] if "lagCount" in t["metadata"]}
    pending = {t["metadata"]["stream"] for t in spec["triggers"] if "pendingEntriesCount" in t["metadata"]}
    assert lag == pending


def test_one_thing_alone_decides_how_many_replicas_there_are(manifests: Manifests) -> None:
    """Two scalers of one Deployment, or one and a fixed number, would fight."""
    targets = [
        spec["scaleTargetRef"]["name"]
        for kind in ("ScaledObject", "HorizontalPodAutoscaler")
        for _, spec in specs(manifests, kind)
    ]
    assert sorted(targets) == sorted(SERVICES)
    assert not [name for name, spec in specs(manifests, "Deployment") if name in SERVICES and "replicas" in spec]


def test_a_worker_wakes_for_the_first_image_and_more_come_for_a_share_of_the_backlog(manifests: Manifests) -> None:
    (kind,) = {spec["kind"] for spec in manifests if spec["apiVersion"] == "keda.sh/v1alpha1"} - {"ScaledObject"}
    authentications = dict(specs(manifests, kind))
    partitions = int(setting(manifests, "DARKROOM_PARTITIONS"))
    for name, spec in specs(manifests, "ScaledObject"):
        for trigger in spec["triggers"]:
            if trigger["type"] != "cpu":
                assert trigger["authenticationRef"]["name"] in authentications, name
            if "lagCount" in trigger["metadata"]:
                assert trigger["metadata"]["activationLagCount"] == "0"
        lags = {
            int(trigger["metadata"]["lagCount"])
            for trigger in spec["triggers"]
            if trigger["metadata"].get("consumerGroup") == keys.PROCESS_GROUP and "lagCount" in trigger["metadata"]
        }
        # What one replica may leave unread, in all partitions together.
        assert lags == ({scaling.PROCESS_LAG // partitions} if name == "process" else set())
        assert spec["minReplicaCount"] < spec["maxReplicaCount"]
        # A drain is not cut short by the next decision, and an image does not wait long for the first one.
        assert spec["pollingInterval"] <= 10 < spec["cooldownPeriod"]


def test_ingest_scales_on_its_processors(manifests: Manifests) -> None:
    ((name, spec),) = specs(manifests, "HorizontalPodAutoscaler")
    assert name == "ingest"
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ingest"}
    (metric,) = spec["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert metric["resource"]["target"]["type"] == "Utilization"
    assert 30 <= metric["resource"]["target"]["averageUtilization"] <= 80
    assert 1 <= spec["minReplicas"] < spec["maxReplicas"]
    # A share of what is requested, so there must be a request.
    (container,) = dict(specs(manifests, "Deployment"))["ingest"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"]
