"""A real Redis Cluster on the loopback: some masters, one process each, that know each other and share all slots."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError

from infra.ports import free_port
from tests.support import acl
from tests.support.servers import ends_with_us
from tests.support.waiting import wait_until

#: Milliseconds without an answer after which the others hold a node for dead.
NODE_TIMEOUT = 1000
#: Keys that one MIGRATE takes along.
_AT_ONCE = 16


@dataclass
class Node:
    """One server of a cluster; `redis` asks this one alone."""

    port: int
    process: subprocess.Popen[bytes]
    redis: Redis = field(init=False)

    def __post_init__(self) -> None:
        self.redis = Redis(port=self.port)

    @property
    def id(self) -> str:
        return str(self.redis.execute_command("CLUSTER MYID").decode())

    @property
    def info(self) -> dict[str, str]:
        found = self.redis.execute_command("CLUSTER INFO")
        return found if isinstance(found, dict) else dict(line.split(":") for line in found.decode().split())

    def well(self, nodes: int) -> bool:
        """Whether it knows so many nodes and that all slots are served."""
        try:
            info = self.info
        except RedisError:
            return False
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == nodes

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass
class Cluster:
    """The masters, and what was added to them."""

    binary: str
    folder: Path
    user: Sequence[str]
    nodes: list[Node]
    _running: ExitStack

    @property
    def url(self) -> str:
        """Where those find it who may do everything."""
        return f"redis://127.0.0.1:{self.nodes[0].port}/0"

    @property
    def user_url(self) -> str:
        """Where its user finds it."""
        return f"redis://{self.user[0]}:{acl.PASSWORD}@127.0.0.1:{self.nodes[0].port}/0"

    def owner(self, key: str) -> Node:
        """The master that has the slot of a key; waits while one is taking over from another."""
        slot = key_slot(key.encode())

        def found() -> Node | None:
            asked = next(node for node in self.nodes if node.process.poll() is None)
            ports = [port for first, last, (_, port, *_), *_ in _slots(asked) if first <= slot <= last]
            return next((node for node in self.nodes if node.port in ports), None)

        node = wait_until(found)
        assert node is not None
        return node

    def start(self) -> Node:
        """One more server, which knows no other yet."""
        port, bus = free_port("127.0.0.1"), free_port("127.0.0.1")
        folder = self.folder / str(port)
        folder.mkdir(parents=True)
        command = [self.binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        command += ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--repl-diskless-sync-delay", "0"]
        command += ["--cluster-node-timeout", str(NODE_TIMEOUT), "--cluster-replica-validity-factor", "0"]
        command += ["--user", *self.user]
        process = self._running.enter_context(ends_with_us(command, log=folder / "server.log"))
        node = Node(port, process)
        self._running.callback(node.redis.close)
        self.nodes.append(node)
        wait_until(lambda: _answers(node))
        return node

    def join(self, node: Node) -> None:
        """Make a server known to the others, and the others to it."""
        first = self.nodes[0]
        bus = first.redis.config_get("cluster-port")["cluster-port"]
        node.redis.execute_command("CLUSTER MEET", "127.0.0.1", first.port, bus)

    def add_replica(self, master: Node) -> Node:
        """A replica of a master, in step with it."""
        replica = self.start()
        self.join(replica)
        wait_until(lambda: all(node.well(len(self.nodes)) for node in self.nodes))
        replica.redis.execute_command("CLUSTER REPLICATE", master.id)
        wait_until(lambda: replica.redis.info("replication").get("master_link_status") == "up")
        # Those who have not heard of it would give it no vote, and the master no manual failover.
        wait_until(lambda: all(len(node.redis.execute_command("CLUSTER REPLICAS", master.id)) for node in self.nodes))
        return replica

    @contextmanager
    def moving(self, key: str, target: Node) -> Iterator[None]:
        """Move the slot of a key to another master; inside, it is on its way, with its keys still where they were."""
        slot, source = key_slot(key.encode()), self.owner(key)
        target.redis.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
        source.redis.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
        yield
        while keys := source.redis.execute_command("CLUSTER GETKEYSINSLOT", slot, _AT_ONCE):
            source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            node.redis.execute_command("CLUSTER SETSLOT", slot, "NODE", target.id)


@contextmanager
def redis_cluster(binary: str, folder: Path, user: Sequence[str], masters: int = 3) -> Iterator[Cluster]:
    """A cluster of so many masters without replicas, gone at the end or with this process.

    `user` are the words of the rule of the user that `user_url` names.
    """
    with ExitStack() as running:
        cluster = Cluster(binary, folder, user, [], running)
        share = REDIS_CLUSTER_HASH_SLOTS // masters
        for number in range(masters):
            node = cluster.start()
            last = REDIS_CLUSTER_HASH_SLOTS - 1 if number == masters - 1 else (number + 1) * share - 1
            node.redis.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
            node.redis.execute_command("CLUSTER ADDSLOTSRANGE", number * share, last)
        for node in cluster.nodes[1:]:
            cluster.join(node)
        wait_until(lambda: all(node.well(masters) for node in cluster.nodes), timeout=20)
        yield cluster


def _answers(node: Node) -> bool:
    assert node.process.poll() is None, f"{node.process.args} ended with {node.process.returncode}"
    try:
        return bool(node.redis.ping())
    except RedisError:
        return False


def _slots(node: Node) -> list[list[object]]:
    found: list[list[object]] = node.redis.execute_command("CLUSTER SLOTS")
    return found
