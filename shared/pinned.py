"""Requests to the world outside, sent to the very address that was checked (see `shared.addresses`)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from opentelemetry.trace import Span, SpanKind, StatusCode

from shared import semantics, telemetry
from shared.errors import TimedOut


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


@contextmanager
def requesting(method: str, url: httpx.URL, limit: asyncio.Timeout, attributes: semantics.Attributes) -> Iterator[Span]:
    """The span of one request, the current one inside the `with`; `limit` is the time-out that may end it.

    What follows the host in a URL may be a secret, so it is not told.
    """
    about = {**semantics.requesting(method, url.scheme, url.host, url.port), **attributes}
    with telemetry.tracer.running(method, kind=SpanKind.CLIENT, attributes=about) as span:
        try:
            yield span
        except (asyncio.CancelledError, httpx.TimeoutException) as error:
            late = limit.expired() or isinstance(error, httpx.TimeoutException)
            span.set_attribute(semantics.ERROR, TimedOut.code if late else "cancelled")
            span.set_status(StatusCode.ERROR)
            raise


def answered(span: Span, status: int) -> None:
    """Note the status of the answer in the span of its request; from 400 on it is an error."""
    span.set_attribute(semantics.STATUS, status)
    if status >= httpx.codes.BAD_REQUEST:
        span.set_attribute(semantics.ERROR, str(status))
        span.set_status(StatusCode.ERROR)


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
