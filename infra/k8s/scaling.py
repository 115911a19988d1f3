"""Writes `scaling.yaml` of each overlay, which has triggers for each partition: `python -m infra.k8s.scaling`.

KEDA allows one ScaledObject per Deployment, and every replica reads every partition. So the ScaledObject of a service
has triggers for each of its streams, each replica is wanted for a certain backlog in all of them together, and the
trigger that wants the most replicas decides. A test compares the files with what this makes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from shared import keys

FOLDER: Final = Path(__file__).parent

#: Unread entries that one replica of process may have before another one is wanted: a third to two thirds of a second
#: of 1 MP images for its two workers, ten times that of 12 MP ones (docs/scaling.md).
PROCESS_LAG: Final = 100
#: The same for results, which projects thousands of events a second.
RESULTS_LAG: Final = 4000
#: Webhooks wait for other people's servers.
HOOKS_LAG: Final = 200
#: Far above what replicas have in work: these triggers keep one of them awake, and never ask for a second one.
NEVER: Final = 1_000_000

Document = dict[str, Any]


@dataclass(frozen=True)
class Fleet:
    """How far one overlay scales, and how KEDA reaches its queue."""

    partitions: int
    kind: str
    address: Mapping[str, str]
    process: tuple[int, int]
    results: tuple[int, int]


FLEETS: Final = {
    "single-node": Fleet(1, "redis-streams", {"address": "redis.darkroom.svc:6379"}, (0, 4), (1, 2)),
    "s3-cluster": Fleet(
        8, "redis-cluster-streams", {"addresses": "redis-cluster.redis.svc:6379"}, process=(0, 400), results=(2, 20)
    ),
}


def render(fleet: Fleet) -> str:
    """The whole file of one overlay."""
    opening = "# Made by `python -m infra.k8s.scaling`, which says why. Change it there.\n"
    return opening + yaml.safe_dump_all(documents(fleet), sort_keys=False, width=120)


def documents(fleet: Fleet) -> list[Document]:
    return [_authentication(), _process(fleet), _results(fleet)]


def _authentication() -> Document:
    """A user of its own, who can look at how much waits and nothing else (docs/security.md)."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": {"name": "queue"},
        "spec": {
            "secretTargetRef": [
                {"parameter": part, "name": "darkroom-redis", "key": f"keda-{part}"}
                for part in ("username", "password")
            ]
        },
    }


def _process(fleet: Fleet) -> Document:
    streams = [keys.uploaded(partition, bulk=bulk) for partition in range(fleet.partitions) for bulk in (False, True)]
    lag = [_lag(fleet, stream, keys.PROCESS_GROUP, PROCESS_LAG) for stream in streams]
    # What a drain hands back is pending, not lag: without these nobody would wake up for it.
    pending = [
        _trigger(fleet, {"stream": stream, "consumerGroup": keys.PROCESS_GROUP, "pendingEntriesCount": str(NEVER)})
        for stream in streams
    ]
    return _scaled("process", fleet.process, [*lag, *pending])


def _results(fleet: Fleet) -> Document:
    groups = ((keys.progress, keys.RESULTS_GROUP, RESULTS_LAG), (keys.hooks, keys.HOOKS_GROUP, HOOKS_LAG))
    triggers = [
        _lag(fleet, stream(partition), group, most)
        for partition in range(fleet.partitions)
        for stream, group, most in groups
    ]
    # It also answers requests, so it never goes to zero, and busy processors count as well.
    processor = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
    return _scaled("results", fleet.results, [*triggers, processor])


def _lag(fleet: Fleet, stream: str, group: str, most: int) -> Document:
    """Partitions fill evenly, so each has its share of what one replica may leave unread."""
    share = max(1, most // fleet.partitions)
    return _trigger(
        fleet, {"stream": stream, "consumerGroup": group, "lagCount": str(share), "activationLagCount": "0"}
    )


def _trigger(fleet: Fleet, what: Mapping[str, str]) -> Document:
    return {"type": fleet.kind, "metadata": {**fleet.address, **what}, "authenticationRef": {"name": "queue"}}


def _scaled(service: str, replicas: tuple[int, int], triggers: list[Document]) -> Document:
    least, most = replicas
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": service},
        "spec": {
            "scaleTargetRef": {"name": service},
            "pollingInterval": 5,
            "cooldownPeriod": 120,
            # The first worker must have offered its filters before it may go: without them no upload is taken.
            "initialCooldownPeriod": 300,
            "minReplicaCount": least,
            "maxReplicaCount": most,
            # KEDA cannot reach the queue: the services may still, so some go on.
            **({} if least else {"fallback": {"failureThreshold": 6, "replicas": 2}}),
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": _behaviour()}},
            "triggers": triggers,
        },
    }


def _behaviour() -> Document:
    """Up at once, fourfold at most; down when less was wanted for three minutes, by a quarter a minute."""
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "policies": [
                {"type": "Percent", "value": 300, "periodSeconds": 15},
                {"type": "Pods", "value": 8, "periodSeconds": 15},
            ],
            "selectPolicy": "Max",
        },
        "scaleDown": {
            "stabilizationWindowSeconds": 180,
            "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}],
        },
    }


def files() -> Iterator[tuple[Path, str]]:
    """Each file and what belongs into it."""
    for name, fleet in FLEETS.items():
        yield FOLDER / name / "scaling.yaml", render(fleet)


def main() -> None:
    for path, text in files():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
