"""Which service answers which path of the origin."""

from typing import Final

#: Paths that results answers, with all that lies below them; ingest answers the rest. The gateway of the compose file
#: says the same in its own words.
RESULTS_PATHS: Final = ("/v1/jobs", "/v1/batches", "/v1/archives", "/v1/events", "/v1/dead-letters", "/v1/queue")


def belongs_to_results(path: str) -> bool:
    return any(path == prefix or path.startswith(prefix + "/") for prefix in RESULTS_PATHS)
