"""Every stream, group, key, channel and time to live that Darkroom uses in Redis.

`{p}` is a hash tag: all keys of one partition live on one slot of a Redis Cluster, so that one script can touch
them together. Keys without a tag are advisory and never used inside a script.
"""

import re
from hashlib import sha256
from typing import Final

import uuid_utils

#: Version of the data in Redis; a service refuses to start on another one.
SCHEMA_VERSION: Final = 1
SCHEMA_KEY: Final = "darkroom:schema"

#: Consumer groups, one per service.
PROCESS_GROUP: Final = "process"
RESULTS_GROUP: Final = "results"
HOOKS_GROUP: Final = "hooks"
#: The consumer that holds entries handed back at drain or by the reaper; it never reads.
RELEASED: Final = "released"

#: Seconds a job record lives until it is terminal.
LIVE_TTL: Final = 7 * 24 * 3600
#: Seconds a replayed request is recognised by its idempotency key.
IDEMPOTENCY_TTL: Final = 24 * 3600
#: Seconds that a repeat is recognised of what put a dead letter back.
RESTORED_TTL: Final = 600
#: Seconds a worker's catalogue is trusted after its last heartbeat.
HEARTBEAT_TTL: Final = 30

#: Seconds that one tally covers, and that it is kept: the operator's view of what happened lately.
TALLY_SPAN: Final = 10
TALLY_TTL: Final = 900

#: Redis hash: engine version → catalogue document. The last known set stays when no worker is alive.
CATALOGUE_KEY: Final = "darkroom:catalogue"
#: String: the id of the blob store that all services on this Redis share (see `shared.store_identity`).
STORE_KEY: Final = "darkroom:store"
#: Prefix of the heartbeat keys, one per live engine version (string with a TTL).
HEARTBEAT_PREFIX: Final = "darkroom:heartbeat:"

OWNER_PATTERN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
#: What follows `{p}-` in a job id or a batch id.
ID_PATTERN: Final = r"[A-Za-z0-9-]{1,64}"
_ID = re.compile(rf"(0|[1-9][0-9]{{0,4}})-{ID_PATTERN}")
#: The id of a job that is named by its entry.
_OF_ENTRY = re.compile(r"(0|[1-9][0-9]{0,4})-([0-9]{1,20}-[0-9]{1,20})")


def tag(partition: int) -> str:
    """The hash tag of a partition, braces included."""
    return f"{{{partition}}}"


def uploaded(partition: int, *, bulk: bool = False) -> str:
    """Stream of upload events; the bulk one has the low priority."""
    return f"image.uploaded.bulk:{tag(partition)}" if bulk else f"image.uploaded:{tag(partition)}"


def progress(partition: int) -> str:
    """Stream of `started`, `processed` and `failed` events."""
    return f"image.progress:{tag(partition)}"


def dead(partition: int) -> str:
    """Stream of dead letters."""
    return f"image.dead:{tag(partition)}"


def hooks(partition: int) -> str:
    """Stream of webhooks to deliver."""
    return f"image.hooks:{tag(partition)}"


def hooks_delayed(partition: int) -> str:
    """Sorted set: webhooks that are to be tried again, by when they are due in ms."""
    return f"hooks.delayed:{tag(partition)}"


def job(partition: int, job_id: str) -> str:
    """Hash: the state of one job (see `shared.records`)."""
    return f"job:{tag(partition)}:{job_id}"


def batch(partition: int, batch_id: str) -> str:
    """Hash: owner, expected and terminal counts of one batch."""
    return f"batch:{tag(partition)}:{batch_id}"


def batch_jobs(partition: int, batch_id: str) -> str:
    """Sorted set: the job ids of one batch by creation time in ms."""
    return f"batch.jobs:{tag(partition)}:{batch_id}"


def index(partition: int, owner: str) -> str:
    """Sorted set: the job ids of one owner by creation time in ms."""
    return f"jobs:{tag(partition)}:{owner}"


def owners(partition: int) -> str:
    """Set: every owner that has an index in this partition (for the janitor)."""
    return f"owners:{tag(partition)}"


def version(partition: int) -> str:
    """Counter: raised with each visible change of a job; the id of server-sent events."""
    return f"version:{tag(partition)}"


def changes(partition: int) -> str:
    """Pub/sub channel of the changes that a projection made."""
    return f"changes:{tag(partition)}"


def tally(partition: int, second: float) -> str:
    """Hash: jobs done, failed and failed per code in the ten seconds around a time (seconds since the epoch)."""
    return f"tally:{tag(partition)}:{int(second // TALLY_SPAN)}"


def idempotency(partition: int, owner: str, key: str) -> str:
    """String: fingerprint and answer of a request that carried an Idempotency-Key."""
    return f"idempotency:{tag(partition)}:{owner}:{sha256(key.encode()).hexdigest()}"


def restored(partition: int, letter_id: str) -> str:
    """String: the entry that a dead letter became when it was put back as it came, for `RESTORED_TTL`.

    No owner is named like this, so it is nobody's idempotency key.
    """
    return f"idempotency:{tag(partition)}::{letter_id}"


def cache(result_key: str) -> str:
    """String: the facts of a stored result, so that an identical request touches no pixels (advisory)."""
    return f"cache:{result_key}"


def new_id(partition: int) -> str:
    """A new job or batch id: the partition, then a time-ordered UUID (RFC 9562 version 7)."""
    return f"{partition}-{uuid_utils.uuid7()}"


def job_of_entry(partition: int, entry_id: str, *, bulk: bool = False) -> str:
    """The id of the job that an upload event without one asks for.

    Two streams may give one id to two entries of the same millisecond, so the bulk stream has a mark of its own.
    """
    return f"{partition}-bulk-{entry_id}" if bulk else f"{partition}-{entry_id}"


def bulk_twin(job_id: str) -> str | None:
    """The job that the entry of the same id in the bulk stream asks for; none where `job_id` is no entry's."""
    match = _OF_ENTRY.fullmatch(job_id)
    return job_of_entry(int(match[1]), match[2], bulk=True) if match else None


def is_id(text: str) -> bool:
    """Whether `text` has the form of a job or batch id."""
    return _ID.fullmatch(text) is not None


def is_job_of(partition: int, text: str) -> bool:
    """Whether `text` may be the id of a job of this partition."""
    return is_id(text) and text.startswith(f"{partition}-")


def partition_of(text: str, partitions: int) -> int:
    """Partition (0 … partitions-1) that an id names, or that any other text is hashed to."""
    if is_id(text) and (named := int(text.split("-", 1)[0])) < partitions:
        return named
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big") % partitions
