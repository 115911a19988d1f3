"""Where a request to the outside may go: the addresses behind a host name, checked before anything is sent to them.

A stranger chooses the URL of a webhook or of an image to fetch, and the service stands inside a network that the
stranger does not. So every address that a name resolves to must be a public one, and the connection is made to the
very address that was checked: a name that resolves to something else a moment later changes nothing.
"""

import asyncio
import socket
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

#: Carries an IPv4 address in its last 32 bits to whatever the network's own translator reaches (RFC 6052).
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: Global by the registry, and on the machines of a cloud a service of their host: settings, secrets, agents (Azure).
_OF_HOSTS: Final = frozenset({IPv4Address("168.63.129.16")})
_PORTS: Final = {"http": 80, "https": 443}


class Reach(IntEnum):
    """How far inside a request to a URL of somebody else's choice may go; each takes in those before it."""

    PUBLIC = 0
    #: This machine's own addresses as well, for those who are on it anyhow.
    LOOPBACK = 1
    PRIVATE = 2


class Refused(Exception):
    """A URL that no request may go to; trying again cannot help."""


class Unresolved(Exception):
    """The name resolves to nothing at present."""


def check_written(url: str, reach: Reach) -> None:
    """Raise Refused when `url` is no http(s) URL, or its host says without a look-up that it is out of reach.

    That is an address, in whatever form the system takes (`127.1`, `0x7f000001`), or `localhost` (RFC 6761, 6.3). What
    other names lead to is for `resolve`, at the time of the request.
    """
    host, _ = _host_and_port(url)
    address = _written_address(host)
    if address is not None and not may_go_to(address, reach):
        raise Refused(f"{host!r} is an address that is not public")


async def resolve(url: str, reach: Reach) -> list[str]:
    """The addresses behind the host of `url`, in the order in which they are to be tried.

    Raises Refused when the URL is no http(s) URL or any of its addresses is out of reach, Unresolved when it has none.
    """
    return await resolve_host(*_host_and_port(url), reach)


async def resolve_host(host: str, port: int, reach: Reach) -> list[str]:
    """The addresses behind a name, in the order in which they are to be tried. Raises Refused, Unresolved."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"the name {host!r} does not resolve") from error
    addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
    for address in addresses:
        if not may_go_to(address, reach):
            raise Refused(f"the name {host!r} leads to an address that is not public")
    return addresses


def may_go_to(address: str, reach: Reach) -> bool:
    """Whether a request may go to this IP address."""
    return reach is Reach.PRIVATE or is_public(address) or (reach is Reach.LOOPBACK and _is_loopback(address))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whatever it is wrapped in."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        # Deprecated (RFC 3879), so `is_global` takes them for the internet's; a network may use them still.
        if ip.is_site_local:
            return False
        embedded = _embedded(ip)
        if embedded is not None:
            return _is_public(embedded)
        # A tunnel ends at the IPv4 address inside, so both must be public.
        return _is_public(ip) and all(map(_is_public, (ip.sixtofour, *(ip.teredo or ()))))
    return _is_public(ip)


def _is_loopback(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    return ip.is_loopback or (isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None and ip.ipv4_mapped.is_loopback)


def _written_address(host: str) -> str | None:
    """The address that a host is without a look-up; none for a name."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _is_public(ip: IPv4Address | IPv6Address | None) -> bool:
    return ip is None or (
        ip.is_global and ip not in _OF_HOSTS and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified
    )


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is only written as an IPv6 address."""
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused("this is no URL") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused("only http and https URLs lead anywhere")
    return parts.hostname, _PORTS[parts.scheme] if port is None else port
