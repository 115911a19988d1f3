"""Writes the capacity plan into `docs/scaling.md`: `python -m infra.capacity`.

What was measured is read from `docs/performance.md`, what is assumed stands here, and all that follows is computed. A
test compares the page with what this makes, so the plan cannot say other than the measurements.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from infra.k8s.scaling import FLEETS

DOCS: Final = Path(__file__).parent.parent / "docs"
DOCUMENT: Final = DOCS / "scaling.md"
_BLOCK: Final = re.compile(r"(?<=<!-- plan -->\n).*?(?=<!-- /plan -->)", re.DOTALL)

_IMAGES: Final = r"\| uploaded over HTTP \|[^\n]*(?:\n\| · [^\n]*)*?\n\| · "
#: What was measured: where docs/performance.md says it. `…_ms` is CPU per picture of 1 MP that came over HTTP, few at a
#: time; `…_us` is CPU per job without pixels, in full batches.
MEASURED: Final[Mapping[str, str]] = {
    "pair": r"Two children against one: ([\d.,]+) against",
    "http": r"\| uploaded over HTTP \| ([\d.,]+) \|",
    "server_ms": _IMAGES + r"server \|  \|  \| ([\d.,]+) \|",
    "ingest_ms": _IMAGES + r"ingest \|  \|  \| ([\d.,]+) \|",
    "process_ms": _IMAGES + r"process \|  \|  \| ([\d.,]+) \|",
    "children_ms": _IMAGES + r"process's children \|  \|  \| ([\d.,]+) \|",
    "results_ms": _IMAGES + r"results \|  \|  \| ([\d.,]+) \|",
    # The table of jobs tells tenths, that of uploads does not.
    "server_us": r"\| · server \|  \| (\d+\.\d) \|",
    "results_us": r"\| · results \|  \| (\d+\.\d) \|",
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
    "load": 0.7,  # share of their cores that workers and Redis are planned for
    "calm": 0.6,  # the same of what answers requests
    "job_kb": 2,  # of a job in Redis
    "replica_mb_s": 312,  # network of one replica, each way: 2.5 Gbit/s
    "gateway_mb_s": 1000,  # through one gateway, each way
    "shard_gb": 16,  # memory of one shard
    "shards": 8,
    "memory_share": 0.95,  # DARKROOM_REDIS_MEMORY_SHARE
    "backlog": 1_000_000,  # DARKROOM_BACKLOG_LIMIT
    "retention": 3600,  # seconds; the default is a day
    "ingest_replicas": 60,  # the most that the overlay starts
    "gateways": 3,
    "writes_per_prefix": 3500,
    "reads_per_prefix": 5500,
    "core_hour": 0.04,  # $
    "write_price": 0.005,  # $ per 1,000
    "read_price": 0.0004,
    "gb_month": 0.023,
    "gateway_core_s": 1.0,  # GB/s through one core of the gateway
    "memory_hour": 0.005,  # $ per GB
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
    for more in (_workers, _doors, _redis, _store, _costs):
        known |= more(known)
    return _TEMPLATE.read_text("utf-8").format(**known, first=_first(known))


def _workers(f: Mapping[str, float]) -> dict[str, float]:
    """How many of process."""
    target, load = f["target"], f["load"]
    image_ms, least_ms = f["process_ms"] + f["children_ms"], 2000 / f["pair"]
    cores = target * image_ms / 1000 / load
    return {
        "image_ms": image_ms,
        "least_ms": least_ms,
        "busy": target * image_ms / 1000,
        "cores": cores,
        "replicas": math.ceil(cores / 2),
        "least_replicas": math.ceil(target * least_ms / 1000 / load / 2),
        "resident_gb": cores * f["child_mib"] * 2**20 / 1e9,
        "replica_s": 2 * 1000 / image_ms * load,
    }


def _doors(f: Mapping[str, float]) -> dict[str, float]:
    """How many of what answers requests: by processors, and by what its network carries."""
    target, calm = f["target"], f["calm"]
    upload_ms = (f["ingest_us"] + f["hash_us"]) / 1000
    gb_s = target * f["mb"] / 1000
    return {
        "upload_ms": upload_ms,
        "ingest_busy": target * f["ingest_ms"] / 1000,
        "ingest_wanted": math.ceil(target * f["ingest_ms"] / 1000 / calm),
        "ingest_least": math.ceil(target * upload_ms / 1000 / calm),
        "results_least_ms": f["results_us"] / 1000,
        "results_busy": target * f["results_ms"] / 1000,
        "results_wanted": math.ceil(target * f["results_ms"] / 1000 / calm),
        "network": math.ceil(target * f["mb"] / f["replica_mb_s"]),
        "gb_s": gb_s,
        "moved_gb_s": 2 * gb_s,
        "gateway": math.ceil(2 * gb_s * 1000 / f["gateway_mb_s"]),
        "traced_busy": target * f["traced_us"] / 1e6,
        "untraced_busy": target * f["untraced_us"] / 1e6,
    }


def _redis(f: Mapping[str, float]) -> dict[str, float]:
    """How many shards, and how large."""
    target, partitions = f["target"], FLEETS["s3-cluster"].partitions
    kept_gb = target * f["retention"] * f["job_kb"] / 1e6
    backlog = f["backlog"] * partitions
    return {
        "partitions": partitions,
        "server_least_ms": f["server_us"] / 1000,
        "server_busy": target * f["server_ms"] / 1000,
        "one_shard": f["load"] * 1000 / f["server_ms"],
        "best_shard": f["load"] * 1e6 / f["server_us"],
        "shards_by_load": target * f["server_ms"] / 1000 / f["load"],
        "least_shards": target * f["server_us"] / 1e6 / f["load"],
        "shard_use": target * f["server_ms"] / 1000 / f["shards"],
        "day_tb": target * _DAY * f["job_kb"] / 1e9,
        "kept_gb": kept_gb,
        "capped_gb": 100_000 * partitions * f["job_kb"] / 1e6,
        "backlog_jobs": backlog / 1e6,
        "backlog_minutes": backlog / target / 60,
        "backlog_gb": backlog * f["job_kb"] / 1e6,
        "shard_needs_gb": math.ceil((kept_gb + backlog * f["job_kb"] / 1e6) / f["shards"] / f["memory_share"]),
        "connections": partitions * 2 * 2 * 2,
        "shard_connections": f["replicas"] * partitions * 2 * 2 * 2 / f["shards"],
    }


def _store(f: Mapping[str, float]) -> dict[str, float]:
    """What the blob store takes, and what a day costs."""
    target = f["target"]
    writes, reads = target * WRITES, target * READS
    kept_pb = target * 2 * f["mb"] * _DAY * 3 / 1e9
    return {
        "writes": writes,
        "reads": reads,
        "prefixes": max(writes / f["writes_per_prefix"], reads / f["reads_per_prefix"]),
        "kept_pb": kept_pb,
        "writes_day": writes * _DAY / 1e9,
        "reads_day": reads * _DAY / 1e9,
        "writes_cost": writes * _DAY / 1000 * f["write_price"],
        "reads_cost": reads * _DAY / 1000 * f["read_price"],
        "kept_cost": kept_pb * 1e6 * f["gb_month"] / 30,
    }


def _costs(f: Mapping[str, float]) -> dict[str, float]:
    """What runs, for a day."""
    door_cores = f["ingest_wanted"] + f["results_wanted"] + f["moved_gb_s"] / f["gateway_core_s"]
    servers = 2 * f["shards"]
    return {
        "door_cores": door_cores,
        "door_cost": door_cores * 24 * f["core_hour"],
        "workers_cost": f["cores"] * 24 * f["core_hour"],
        "servers": servers,
        "redis_cost": servers * 24 * (f["core_hour"] + f["shard_gb"] * f["memory_hour"]),
    }


def _first(f: Mapping[str, float]) -> str:
    """The rows of what gives way, the first one first. Images a second, for one image of 1 MP each."""
    megabytes, calm = f["mb"], f["calm"]
    fleet = FLEETS["s3-cluster"]
    most = fleet.results[1]
    memory = f["shards"] * f["shard_gb"] * f["memory_share"] * 1e6 / f["job_kb"]
    carried = f["replica_mb_s"] / megabytes
    rows: list[tuple[float, str, str]] = [
        (f["http"], "one machine with two cores and all services", "measured, not planned: then a fleet"),
        (memory / _DAY, "memory of {shards:.0f} shards of {shard_gb:.0f} GB, retention of a day, many owners",
         "`DARKROOM_RETENTION`; uploads get 503 from 95 % on, work under way still ends"),
        (f["one_shard"], "one shard of Redis, or one partition: all jobs of one batch",
         "more shards and partitions; its CPU stands at one core, workers idle ({best_shard:,.0f} in full batches)"),
        (f["reads_per_prefix"] / READS_OF_RESULTS, "the store's reads under one prefix, all images of one owner",
         "a store that splits prefixes does so after minutes; several owners; steps `load` and `store` show it"),
        (f["writes_per_prefix"], "the store's writes under one prefix, likewise", "the same"),
        (f["gateways"] * f["gateway_mb_s"] / (2 * megabytes), "the network of the overlay's {gateways:.0f} gateways",
         "{gateway:.0f} of them, a cloud's load balancer, or presigned uploads and downloads"),
        (f["one_shard"] * f["shards"], "{shards:.0f} shards of Redis, one partition each",
         "more partitions and shards; in full batches {best_shard:,.0f} each"),
        (memory / f["retention"], "the same memory with a retention of an hour, without a backlog", "larger shards"),
        (most * min(carried, calm * 1000 / f["results_ms"]), f"{most} replicas of results",
         "its maximum in `infra/k8s/scaling.py`; presigned downloads where the network is what is full"),
        (f["ingest_replicas"] * min(carried, calm * 1000 / f["ingest_ms"]), "{ingest_replicas:.0f} replicas of ingest",
         "`maxReplicas` of its HPA"),
        (fleet.process[1] * f["replica_s"], f"{fleet.process[1]} replicas of process", "`maxReplicaCount`; only money"),
    ]  # fmt: skip
    lines = [f"| {at:,.0f} | {what.format(**f)} | {then.format(**f)} |" for at, what, then in sorted(rows)]
    return "\n".join(["| gives way at, images/s | what | then |", "|---|---|---|", *lines])


def page() -> str:
    """The whole of docs/scaling.md with the plan of now."""
    made = plan()
    return _BLOCK.sub(lambda _: made, DOCUMENT.read_text("utf-8"), count=1)


if __name__ == "__main__":
    DOCUMENT.write_text(page(), "utf-8")
