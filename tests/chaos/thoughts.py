"""Second thoughts of clients in the storm: they cancel jobs, run jobs again, and replay dead letters.

Each looks before it repeats: a request whose answer was lost may have been carried out, or may still be, by a service
that stands still. What is then not known is promised as loosely as that.
"""

import asyncio
import random
from typing import Final

import httpx

from shared.records import TERMINAL
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger, Promise, Whole
from tests.chaos.orders import Order

#: Pause before a client looks or asks again, in seconds.
_PAUSE: Final = 0.1
_CANCELLED: Final = frozenset({"done", "cancelled", "deleted"})


class Thoughts:
    """Changes what was accepted, as its `Order.afterthought` says, and the ledger with it."""

    def __init__(self, fleet: Fleet, ledger: Ledger, *, seed: int) -> None:
        self._fleet = fleet
        self._ledger = ledger
        self._random = random.Random(seed + 2)

    async def follow(self, promise: Promise, order: Order, batch: Whole | None, nonsense: str) -> None:
        """Do what comes after; `nonsense` names the entry of an order that is no event."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
                if order.afterthought == "replay":
                    await self._replay(client, nonsense)
                elif order.afterthought == "retry":
                    await self._retry(client, promise)
                elif await self._cancel(client, promise, order) and order.afterthought == "cancel and retry":
                    promise.expected = frozenset({"done"})
                    await self._retry(client, promise)
                    if batch is not None:
                        batch.retries += 1
        except asyncio.CancelledError:
            self._ledger.errors.append(f"no end of '{order.afterthought}' of {promise.job_id}")
            raise

    async def _cancel(self, client: httpx.AsyncClient, promise: Promise, order: Order) -> bool:
        """Cancel a job unless it ends first; one that takes long is met in work. Whether it surely was cancelled."""
        promise.doubted = True
        path = f"/v1/jobs/{promise.job_id}"
        lost = False
        while (state := await self._state(client, path)) not in TERMINAL:
            if state == "queued" and order.long:
                await asyncio.sleep(_PAUSE)
                continue
            promise.expected = _CANCELLED
            answer = await self._ask(client, "DELETE", path)
            if answer is None:
                lost = True
            elif answer.is_success and (state := str(answer.json()["state"])) in TERMINAL:
                break
            else:
                self._ledger.errors.append(f"DELETE {path}: {answer.status_code} {answer.text[:300]}")
                return False
        if not lost:
            promise.expected = frozenset({state})
        return state == "cancelled" and not lost

    async def _retry(self, client: httpx.AsyncClient, promise: Promise) -> None:
        """Run a job again once it ended. A refusal after a lost answer says that it runs again already."""
        path = f"/v1/jobs/{promise.job_id}"
        while await self._state(client, path) not in TERMINAL:  # noqa: ASYNC110 - nobody tells, it is asked by HTTP
            await asyncio.sleep(_PAUSE)
        await self._insist(client, f"{path}/retry", otherwise=409)

    async def _replay(self, client: httpx.AsyncClient, nonsense: str) -> None:
        """Put a dead letter back once it is there; it comes again as another one."""
        while (letter := await self._letter_of(client, nonsense)) is None:  # noqa: ASYNC110 - asked by HTTP
            await asyncio.sleep(_PAUSE)
        self._ledger.replayed.add(nonsense)
        await self._insist(client, f"/v1/dead-letters/{letter}/replay", otherwise=404)

    async def _insist(self, client: httpx.AsyncClient, path: str, *, otherwise: int) -> None:
        """POST until it is accepted; after a lost answer the status `otherwise` says that it was."""
        lost = False
        while (answer := await self._ask(client, "POST", path)) is None:
            lost = True
        if answer.status_code != 202 and not (lost and answer.status_code == otherwise):
            self._ledger.errors.append(f"POST {path}: {answer.status_code} {answer.text[:300]}")

    async def _letter_of(self, client: httpx.AsyncClient, nonsense: str) -> str | None:
        answer = await self._ask(client, "GET", "/v1/dead-letters?limit=200")
        letters = answer.json()["dead_letters"] if answer is not None and answer.is_success else []
        return next((one["id"] for one in letters if f"{one['stream']} {one['entry_id']}" == nonsense), None)

    async def _state(self, client: httpx.AsyncClient, path: str) -> str:
        """The state of a job; `queued` as long as nobody knows it or nobody answers, as for one that waits unread."""
        answer = await self._ask(client, "GET", path)
        if answer is None or answer.status_code == httpx.codes.NOT_FOUND:
            return "queued"
        if answer.status_code == httpx.codes.GONE:
            return "deleted"
        document = answer.raise_for_status().json()
        # A bulk job whose entry has the same id answers for one that is not recorded yet, by its own name.
        return str(document["state"]) if path.endswith(f"/{document['id']}") else "queued"

    async def _ask(self, client: httpx.AsyncClient, method: str, path: str) -> httpx.Response | None:
        """The answer of any results service; none, after a pause, when it is not known what came of it."""
        try:
            answer = await client.request(method, self._random.choice(self._fleet.results) + path)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code not in {502, 503, 504}:
            return answer
        self._ledger.retried += 1
        await asyncio.sleep(_PAUSE * self._random.uniform(1, 3))
        return None
