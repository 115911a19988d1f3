"""What kustomize makes of the overlays for Kubernetes, and how tests look into it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.k8s import scaling

FOLDER = Path(__file__).parents[2] / "infra" / "k8s"
OVERLAYS = tuple(scaling.FLEETS)
SERVICES = {"ingest", "process", "results"}

Manifest = Mapping[str, Any]
Manifests = list[Manifest]


def specs(manifests: Manifests, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for manifest in manifests:
        if manifest["kind"] == kind:
            yield manifest["metadata"]["name"], manifest["spec"]


def pods(manifests: Manifests) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("Deployment", "StatefulSet"):
        for name, spec in specs(manifests, kind):
            yield name, spec["template"]["spec"]


def setting(manifests: Manifests, name: str) -> str:
    values = [m["data"][name] for m in manifests if m["kind"] == "ConfigMap" and name in m["data"]]
    assert len(values) == 1
    return str(values[0])
