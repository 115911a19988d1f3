"""Who is asking, and what they may do: the one door for both services that answer HTTP.

With a file of API keys every request needs one, as `Authorization: Bearer dk_…` or, from the pages, in a cookie that
scripts cannot read. The owner of what is done is the name of the key. Without a file everybody is `local`.
"""

from pathlib import Path
from typing import Final, NamedTuple, cast

from pydantic import Field
from starlette.requests import HTTPConnection

from shared.addresses import Reach
from shared.api_keys import SCOPES, Keyring, Scope
from shared.errors import Forbidden, Unauthorized
from shared.settings import Settings

#: Owner of all jobs where there are no keys.
LOCAL: Final = "local"
#: Cookie of the pages; it holds the key. Over TLS it has the other name, which browsers take from this very host alone
#: (RFC 6265bis, 4.1.3.2): no other host of the domain can lay one in its place, nor who tampers with plain HTTP.
COOKIE: Final = "darkroom_key"
SAFE_COOKIE: Final = f"__Host-{COOKIE}"
#: Under this name the door lays the gate into the scope of each request.
_GATE: Final = "darkroom.gate"


class AccessSettings(Settings):
    """Who may use the HTTP interface, and from where, and where webhooks may lead."""

    api_keys_file: Path | None = Field(
        None,
        description="File of API keys, written by `darkroom keys` and read again when it changes; with it every "
        "request needs a key. None: no keys, everybody is the owner `local`.",
    )
    insecure: bool = Field(
        default=False,
        description="Whether a service without keys may listen beyond the loopback, for a network that is closed "
        "itself: a host name is still checked.",
    )
    allowed_hosts: str = Field(
        "",
        description="Host names, separated by commas, under which this Darkroom is known besides localhost and plain "
        "addresses. Without keys a request for another name is refused; * allows all.",
    )
    cors_origins: str = Field(
        "",
        description="Origins, separated by commas, whose pages may use the API with a key, such as "
        "`https://app.example.com`. None: no other origin.",
    )
    rate_limit: str = Field(
        "",
        description="Requests that each API key may send, such as `600/minute` or `50/second; 100000/day`. None: any "
        "number. Counts only with keys.",
    )
    webhook_allow_private: bool = Field(
        default=False, description="Whether webhooks may go to private, loopback and link-local addresses."
    )
    webhook_allow_loopback: bool = Field(
        default=False,
        description="Whether webhooks may go to loopback addresses, of all that are not public. `darkroom up` sets it "
        "where only this machine can ask: see webhooks.md.",
    )

    @property
    def webhook_reach(self) -> Reach:
        """How far inside webhooks may go."""
        if self.webhook_allow_private:
            return Reach.PRIVATE
        return Reach.LOOPBACK if self.webhook_allow_loopback else Reach.PUBLIC


class Identity(NamedTuple):
    """Who asks: the owner of jobs, what the key is for, and its id (none without keys)."""

    owner: str
    scopes: tuple[Scope, ...]
    key_id: str | None


EVERYBODY: Final = Identity(LOCAL, SCOPES, None)


class Gate:
    """Tells who is asking. One for each service."""

    def __init__(self, settings: AccessSettings) -> None:
        """Raises KeyFileError when there is a key file and it cannot be read."""
        self._keyring = Keyring(settings.api_keys_file) if settings.api_keys_file is not None else None

    @property
    def has_keys(self) -> bool:
        return self._keyring is not None

    @property
    def is_stale(self) -> bool:
        """Whether the file of keys cannot be read any more, so that a revoked key may still open."""
        return self._keyring is not None and self._keyring.fault() != ""

    def identify(self, connection: HTTPConnection) -> Identity:
        """Who asks. Raises Unauthorized."""
        if self._keyring is None:
            return EVERYBODY
        key = _key_of(connection)
        if key is None:
            raise Unauthorized("An API key is needed: send it as 'Authorization: Bearer dk_…'.")
        record = self._keyring.find(key)
        if record is None:
            raise Unauthorized("This API key is not valid, or not any more.")
        return Identity(record.name, record.scopes, record.id)


def enter(connection: HTTPConnection, gate: Gate) -> None:
    """Lay the gate into a request, for `admit` to find."""
    connection.scope[_GATE] = gate


def gate_of(connection: HTTPConnection) -> Gate:
    """The gate that the request came through."""
    return cast("Gate", connection.scope[_GATE])


def admit(connection: HTTPConnection, scope: Scope) -> Identity:
    """Who asks, if they may do what `scope` is for. Raises Unauthorized, Forbidden."""
    identity = gate_of(connection).identify(connection)
    if scope not in identity.scopes:
        raise Forbidden(f"This API key is not for '{scope}'.", allowed=list(identity.scopes))
    return identity


def bearer_of(connection: HTTPConnection) -> str | None:
    """The key in the Authorization header (RFC 6750, 2.1)."""
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def _key_of(connection: HTTPConnection) -> str | None:
    cookies = connection.cookies
    return bearer_of(connection) or cookies.get(SAFE_COOKIE) or cookies.get(COOKIE)
