"""Requests to the world outside, sent to the very address that was checked (see `shared.addresses`)."""

from typing import Any

import httpx


def new_client(user_agent: str, timeout: httpx.Timeout | float, *, most: int | None = None) -> httpx.AsyncClient:
    """A client for pinned requests, of `most` at a time; `timeout` is in seconds.

    No proxy and no redirect: either would take the connection away from the address that was checked. Nor are
    connections kept: one to a shared address would be used for another name.
    """
    return httpx.AsyncClient(
        trust_env=False,
        # Unlike the rest of the environment, SSL_CERT_FILE counts.
        verify=httpx.create_ssl_context(),
        follow_redirects=False,
        timeout=timeout,
        limits=httpx.Limits(max_connections=most, max_keepalive_connections=0),
        headers={"User-Agent": user_agent},
    )


def pinned(
    client: httpx.AsyncClient,
    method: str,
    url: httpx.URL,
    address: str,
    *,
    headers: dict[str, str],
    **options: Any,  # noqa: ANN401 - whatever a request takes
) -> httpx.Request:
    """A request for `url` that connects to `address`; the name is still the one that Host and TLS speak of."""
    return client.build_request(
        method,
        url.copy_with(host=address),
        headers={**headers, "Host": url.netloc.decode()},
        extensions={"sni_hostname": url.host},
        **options,
    )
