"""Who is asking. The one door that API keys will come through."""

from starlette.requests import HTTPConnection


def owner_of(request: HTTPConnection) -> str:  # noqa: ARG001 - without keys every caller is the local user
    """The owner that jobs of this request belong to."""
    return "local"
