"""A process service whose child sleeps instead of developing, for `benchmarks.consumers`."""

from typing import Final

#: How long each image takes.
SECONDS: Final = 0.005
