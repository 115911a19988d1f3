"""Who may reach whom by the network policies, decided as a cluster's network does it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

import pytest

from tests.infra.manifests import SERVICES, Manifests, specs

#: Somewhere on the internet, by both kinds of address.
OUTSIDE: Final = ("203.0.113.7", "2001:db8::7")
#: Machines and services beside us, and the address at which clouds hand out credentials.
BESIDE: Final = ("10.0.0.5", "172.20.1.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "fd00::1", "fe80::1")


@dataclass(frozen=True)
class Peer:
    """Somebody at the other end: a pod of a namespace, or an address."""

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def pod(name: str, namespace: str = "darkroom") -> Peer:
    component = {"app.kubernetes.io/component": "service"} if name in SERVICES else {}
    return Peer(namespace, {"app.kubernetes.io/name": name, "k8s-app": name, **component})


def may(manifests: Manifests, direction: str, name: str, other: Peer, port: int) -> bool:
    """Whether a pod of ours may send to (`egress`) or be reached by (`ingress`) another one at a port.

    What no policy selects may do everything, what one selects may do what one of those allows (Kubernetes API,
    NetworkPolicy v1).
    """
    ours = pod(name).labels
    selecting = [
        spec
        for _, spec in specs(manifests, "NetworkPolicy")
        if _selects(spec["podSelector"], ours) and direction.title() in spec["policyTypes"]
    ]
    ends = {"egress": "to", "ingress": "from"}
    return not selecting or any(
        _to_port(rule.get("ports"), port, _ports_of(manifests, name) if direction == "ingress" else {})
        and _to_peer(rule.get(ends[direction]), other)
        for spec in selecting
        for rule in spec.get(direction, ())
    )


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions", ())
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


def _to_port(ports: Iterable[Mapping[str, Any]] | None, port: int, named: Mapping[str, int]) -> bool:
    return ports is None or any(named.get(one["port"], one["port"]) == port for one in ports)


def _to_peer(peers: Iterable[Mapping[str, Any]] | None, other: Peer) -> bool:
    return peers is None or any(_is(peer, other) for peer in peers)


def _is(peer: Mapping[str, Any], other: Peer) -> bool:
    if "ipBlock" in peer:
        if not other.address:
            return False
        address = ip_address(other.address)
        block = peer["ipBlock"]
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(left) for left in block.get("except", ())
        )
    namespace = {"kubernetes.io/metadata.name": other.namespace}
    beside = (
        _selects(peer["namespaceSelector"], namespace) if "namespaceSelector" in peer else other.namespace == "darkroom"
    )
    return not other.address and beside and _selects(peer.get("podSelector", {}), other.labels)


def _ports_of(manifests: Manifests, name: str) -> dict[str, int]:
    workloads = {**dict(specs(manifests, "Deployment")), **dict(specs(manifests, "StatefulSet"))}
    containers = workloads[name]["template"]["spec"]["containers"]
    return {port["name"]: port["containerPort"] for container in containers for port in container["ports"]}


@pytest.fixture
def queue(overlay: tuple[str, Manifests]) -> Peer:
    return pod("redis") if overlay[0] == "single-node" else pod("redis-cluster", "redis")


def test_the_network_is_closed_but_for_what_is_named(manifests: Manifests) -> None:
    policies = dict(specs(manifests, "NetworkPolicy"))
    assert policies.pop("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    # Whoever may come from anywhere must be the gateway.
    opened = [name for name, spec in policies.items() for rule in spec.get("ingress", []) if "from" not in rule]
    assert opened == ["gateway"]
    assert all("to" in rule and "ports" in rule for spec in policies.values() for rule in spec.get("egress", []))


def test_webhooks_leave_from_results_alone_and_reach_nothing_beside_us(overlay: tuple[str, Manifests]) -> None:
    name, manifests = overlay
    bucket = {443} if name == "s3-cluster" else set()
    for address in OUTSIDE:
        for port in (80, 443, 22, 6379):
            assert may(manifests, "egress", "results", Peer(address=address), port) == (port in (80, 443))
            for service in ("ingest", "process"):
                # In a fleet the bucket is outside, and nothing else is.
                assert may(manifests, "egress", service, Peer(address=address), port) == (port in bucket)
            assert not may(manifests, "egress", "gateway", Peer(address=address), port)
    for address in BESIDE:
        for service in (*SERVICES, "gateway"):
            assert not any(may(manifests, "egress", service, Peer(address=address), port) for port in (80, 443, 6379))


def test_services_reach_the_queue_and_nobody_else_of_ours_does(manifests: Manifests, queue: Peer) -> None:
    for service in SERVICES:
        assert may(manifests, "egress", service, queue, 6379)
        assert not may(manifests, "egress", service, queue, 22)
    assert not may(manifests, "egress", "gateway", queue, 6379)
    if queue.namespace == "darkroom":
        assert all(may(manifests, "ingress", "redis", pod(service), 6379) for service in SERVICES)
        assert may(manifests, "ingress", "redis", pod("keda-operator", "keda"), 6379)
        for other in (pod("gateway"), pod("anybody", "default"), Peer(address=OUTSIDE[0])):
            assert not may(manifests, "ingress", "redis", other, 6379)


def test_requests_come_through_the_gateway_alone(manifests: Manifests) -> None:
    assert may(manifests, "ingress", "gateway", Peer(address=OUTSIDE[0]), 8080)
    for service, port in (("ingest", 8080), ("results", 8082)):
        assert may(manifests, "egress", "gateway", pod(service), port)
        assert may(manifests, "ingress", service, pod("gateway"), port)
        for other in (pod("process"), pod("anybody", "default"), Peer(address=OUTSIDE[0])):
            assert not may(manifests, "ingress", service, other, port)
    # Nobody calls a worker, and services do not call each other.
    for other in (*map(pod, SERVICES), pod("gateway"), Peer(address=OUTSIDE[0])):
        assert not any(may(manifests, "ingress", "process", other, port) for port in (8080, 8082, 9000))
    for service in SERVICES:
        assert not any(may(manifests, "egress", service, pod(other), 8080) for other in SERVICES)


def test_metrics_and_traces_pass_between_services_and_where_they_are_kept(manifests: Manifests) -> None:
    kept = pod("collector", "monitoring")
    for service in SERVICES:
        assert may(manifests, "ingress", service, kept, 9000)
        assert may(manifests, "egress", service, kept, 4318)
        assert may(manifests, "egress", service, pod("kube-dns", "kube-system"), 53)
        # The admin port has no keys.
        for other in (pod("gateway"), pod("anybody", "default")):
            assert not may(manifests, "ingress", service, other, 9000)
