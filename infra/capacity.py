"""Writes the capacity plan into `docs/scaling.md`: `python -m infra.capacity`.

What was measured is read from `docs/performance.md`, what is assumed stands here, and all that follows is computed. A
test compares the page with what this makes, so the plan cannot say other than the measurements.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.k8s.scaling import FLEETS

DOCS: Final = Path(__file__).parent.parent / "docs"
DOCUMENT: Final = DOCS / "scaling.md"
_BLOCK: Final = re.compile(r"(?<=<!-- plan -->\n).*?(?=<!-- /plan -->)", re.DOTALL)

#: What was measured: where docs/performance.md says it.
MEASURED: Final[Mapping[str, str]] = {
    "pair": r"Two children against one: ([\d.,]+) against",
    "stream": r"\| published on the stream \| ([\d.,]+) \|",
    "http": r"\| uploaded over HTTP \| ([\d.,]+) \|",
    "server_us": r"\| · server \|  \| ([\d.,]+) \|",
    "results_us": r"\| · results \|  \| ([\d.,]+) \|",
    "ingest_us": r"A 20 KB upload costs ingest about ([\d.,]+) µs",
    "child_mib": r"Resident memory of a child: ([\d.,]+) MiB",
    "traced_us": r"\| traced: .*? \| \d+–([\d.,]+) \|",
    "untraced_us": r"\| tracing is on, this request decided .*? \| [\d.]+–([\d.,]+) \|",
}
#: What is assumed: yours may differ, so change it here.
ASSUMED: Final[Mapping[str, float]] = {
    "target": 10_000,  # images a second
    "mb": 0.3,  # of an image of 1 MP, each way
    "hash_us": 200,  # to hash that, and to hand it on
    "load": 0.7,  # share of their cores that workers are planned for
    "calm": 0.6,  # the same of everything that people wait for
    "job_kb": 2,  # of a job in Redis
    "replica_mb_s": 312,  # network of one replica, each way: 2.5 Gbit/s
    "gateway_mb_s": 1000,  # through one gateway, each way
    "shard_gb": 16,  # memory of one shard
    "shards": 4,
    "retention": 3600,  # seconds; the default is a day
    "ingest_replicas": 60,  # the most that the overlay starts
    "gateways": 3,
    "writes_per_prefix": 3500,
    "reads_per_prefix": 5500,
    "core_hour": 0.04,  # $
    "write_price": 0.005,  # $ per 1,000
    "read_price": 0.0004,
    "gb_month": 0.023,
}
#: Requests to the store for one image: original and result written; the result looked for, the original read, and for
#: the download the result looked for and read.
WRITES, READS = 2, 4
#: Those that fall on the busier prefix of one owner: its results are looked for twice and read once.
READS_OF_RESULTS: Final = 3
_DAY: Final = 86_400
_TEMPLATE: Final = Path(__file__).with_name("capacity.md")


def figures() -> dict[str, float]:
    """What was measured and what is assumed, by name. Raises ValueError for what docs/performance.md does not say."""
    text = (DOCS / "performance.md").read_text("utf-8")
    known = dict(ASSUMED)
    for name, pattern in MEASURED.items():
        found = re.search(pattern, text)
        if found is None:
            raise ValueError(f"docs/performance.md does not say {name}: {pattern}")
        known[name] = float(found.group(1).replace(",", ""))
    return known


def plan() -> str:
    """The plan as Markdown."""
    known = figures()
    known |= _sizes(known)
    known |= _store(known)
    return _TEMPLATE.read_text("utf-8").format(**known, first=_first(known))


def _sizes(f: Mapping[str, float]) -> dict[str, float]:
    """How many of each service, and what Redis needs."""
    target, load, calm = f["target"], f["load"], f["calm"]
    per_core, best = f["stream"] / 2, f["pair"] / 2
    network = target * f["mb"] / f["replica_mb_s"]
    one_server = 1e6 / f["server_us"]
    return {
        "per_core": per_core,
        "best_core": best,
        "busy": target / per_core,
        "cores": target / per_core / load,
        "replicas": target / per_core / load / 2,
        "least_replicas": target / best / load / 2,
        "resident_gb": target / per_core / load * f["child_mib"] * 2**20 / 1e9,
        "replica_s": 2 * per_core * load,
        "upload_us": f["ingest_us"] + f["hash_us"],
        "ingest_busy": target * (f["ingest_us"] + f["hash_us"]) / 1e6,
        "ingest_cores": target * (f["ingest_us"] + f["hash_us"]) / 1e6 / calm,
        "network": network,
        "gb_s": target * f["mb"] / 1000,
        "gateway": target * 2 * f["mb"] / f["gateway_mb_s"],
        "results_busy": target * f["results_us"] / 1e6,
        "traced_busy": target * f["traced_us"] / 1e6,
        "untraced_busy": target * f["untraced_us"] / 1e6,
        "one_server": one_server,
        "one_shard": one_server * calm,
        "shards_by_load": target / (one_server * calm),
        "day_tb": target * _DAY * f["job_kb"] / 1e9,
        "kept_gb": target * f["retention"] * f["job_kb"] / 1e6,
        "kept_shard_gb": target * f["retention"] * f["job_kb"] / 1e6 / f["shards"],
        "capped_gb": 100_000 * 8 * f["job_kb"] / 1e6,
    }


def _store(f: Mapping[str, float]) -> dict[str, float]:
    """What the blob store takes, and what a day costs."""
    target = f["target"]
    writes, reads = target * WRITES, target * READS
    kept_pb = target * 2 * f["mb"] * _DAY * 3 / 1e9
    return {
        "writes": writes,
        "reads": reads,
        "moved_gb_s": target * 2 * f["mb"] / 1000,
        "prefixes": max(writes / f["writes_per_prefix"], reads / f["reads_per_prefix"]),
        "kept_pb": kept_pb,
        "writes_day": writes * _DAY / 1e9,
        "reads_day": reads * _DAY / 1e9,
        "writes_cost": writes * _DAY / 1000 * f["write_price"],
        "reads_cost": reads * _DAY / 1000 * f["read_price"],
        "kept_cost": kept_pb * 1e6 * f["gb_month"] / 30,
        "workers_cost": f["cores"] * 24 * f["core_hour"],
    }


def _first(f: Mapping[str, float]) -> str:
    """The rows of what gives way, the first one first. Images a second, for one image of 1 MP each."""
    megabytes, calm = f["mb"], f["calm"]
    fleet = FLEETS["s3-cluster"]
    most = fleet.results[1]
    memory = f["shards"] * f["shard_gb"] * 1e6 / f["job_kb"]
    rows: list[tuple[float, str, str]] = [
        (f["http"], "one machine with two cores and all services", "measured, not planned: then a fleet"),
        (memory / _DAY, "memory of {shards:.0f} shards of {shard_gb:.0f} GB, retention of a day, many owners",
         "`DARKROOM_RETENTION`; uploads get 503 from 95 % on, work under way still ends"),
        (f["reads_per_prefix"] / READS_OF_RESULTS, "the store's reads under one prefix, all images of one owner",
         "a store that splits prefixes does so after minutes; several owners; steps `load` and `store` show it"),
        (f["writes_per_prefix"], "the store's writes under one prefix, likewise", "the same"),
        (f["gateways"] * f["gateway_mb_s"] / (2 * megabytes), "the network of {gateways:.0f} gateways",
         "more of them, a cloud's load balancer, or presigned uploads and downloads"),
        (memory / f["retention"], "the same memory with a retention of an hour", "larger shards"),
        (f["one_shard"], "one shard of Redis, or one partition: all jobs of one batch",
         "more shards, and partitions to fill them; its CPU stands at one core while workers idle"),
        (most * f["replica_mb_s"] / megabytes, f"the network of {most} replicas of results", "presigned downloads"),
        (f["one_shard"] * f["shards"], "{shards:.0f} shards of Redis", "more shards"),
        (fleet.process[1] * f["replica_s"], f"{fleet.process[1]} replicas of process", "`maxReplicaCount`; only money"),
        (f["ingest_replicas"] * calm * 1e6 / f["upload_us"], "{ingest_replicas:.0f} replicas of ingest",
         "`maxReplicas` of its HPA"),
    ]  # fmt: skip
    lines = [f"| {at:,.0f} | {what.format(**f)} | {then} |" for at, what, then in sorted(rows)]
    return "\n".join(["| gives way at, images/s | what | then |", "|---|---|---|", *lines])


def page() -> str:
    """The whole of docs/scaling.md with the plan of now."""
    made = plan()
    return _BLOCK.sub(lambda _: made, DOCUMENT.read_text("utf-8"), count=1)


if __name__ == "__main__":
    DOCUMENT.write_text(page(), "utf-8")
