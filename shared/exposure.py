"""Whether a service may listen where it is told to: beyond the loopback only with API keys, or in a closed network."""

from ipaddress import ip_address

from shared.access import AccessSettings


def exposed(host: str, settings: AccessSettings) -> str | None:
    """Why a service with these settings must not listen at `host`; none when it may."""
    if is_loopback(host) or settings.api_keys_file is not None or settings.insecure:
        return None
    return (
        f"{host} can be reached from other machines, and there are no API keys: anybody there could use this Darkroom. "
        "Name a file of keys with DARKROOM_API_KEYS_FILE ('darkroom keys' writes one), or listen on 127.0.0.1. "
        "DARKROOM_INSECURE=1 listens all the same, for a network that is closed itself."
    )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
