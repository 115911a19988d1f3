"""POST /v1/images, from the request to the 202: read, check, store, record and publish.

The body streams in; one image of it is held at a time. Each is checked from its header and stored under its content
hash. Then ONE script records all jobs of the request and publishes their events, and only then there is a 202.
"""

from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.ingest.backlog import Backlog
from services.ingest.body import declared_length, read_body
from services.ingest.fetch import Fetcher
from services.ingest.guard import Header, inspect
from services.ingest.inbox import Inbox
from services.ingest.intake import Budget, Intake
from services.ingest.metrics import Metrics
from services.ingest.multipart import PART_OVERHEAD, Field, Image, ImageStart, boundary_of, read_parts
from services.ingest.offer import Offer
from services.ingest.parameters import Parameters, check_webhook, display_name, read_idempotency_key, read_parameters
from services.ingest.settings import IngestSettings
from shared import keys
from shared.access import admit
from shared.blobs import BlobStore, blob_key
from shared.errors import DarkroomError, InvalidParameter, InvalidRequest
from shared.events import FilterSpec, ImageUploaded
from shared.patience import Patience
from shared.quotas import Quotas
from shared.submission import Idempotency, Submission, Submitter, partition_for

#: Parameter of a raw upload that has no part to carry a file name.
_NAME: Final = "name"


class Stored(NamedTuple):
    """An image that is in the store, with what its header says, if that was read; `digest` tells it from others."""

    source: str
    digest: str
    header: Header | None
    size: int
    name: str | None


class Caller(NamedTuple):
    """Who sends a request, its idempotency key if it has one, what it accepts, and the key that its bytes count for."""

    owner: str
    idempotency_key: str | None
    accept: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request asks for, valid and admitted: the parameters, the chain, the partition that its jobs go to."""

    parameters: Parameters
    chain: list[FilterSpec]
    partition: int


class Uploads:
    """Takes uploads. Raises the errors of `shared.errors`, what Redis raises while it is away, ClientDisconnect."""

    def __init__(
        self,
        settings: IngestSettings,
        *,
        store: BlobStore,
        submitter: Submitter,
        offer: Offer,
        backlog: Backlog,
        metrics: Metrics,
        quotas: Quotas,
        inbox: Inbox,
    ) -> None:
        self._settings = settings
        self._store = store
        self._submitter = submitter
        self._offer = offer
        self._backlog = backlog
        self._metrics = metrics
        self._quotas = quotas
        self._inbox = inbox
        self._patience = Patience(settings.upload_timeout)
        self._fetcher = Fetcher(settings) if settings.fetch_hosts else None
        self.budget = Budget(settings.upload_budget)
        metrics.in_flight.set_function(lambda: self.budget.used)

    async def accept(self, request: Request) -> tuple[Response, str]:
        """The 202 for an upload, and its outcome for the metrics: accepted or repeated."""
        identity = admit(request, "submit")
        headers = request.headers
        key = read_idempotency_key(headers.get("idempotency-key"))
        caller = Caller(identity.owner, key, ",".join(headers.getlist("accept")), identity.key_id)
        if caller.key_id is not None:
            await self._quotas.check_bytes(caller.key_id, declared_length(request))
        boundary = boundary_of(headers.get("content-type", ""))
        if boundary is None:
            plan, stored = await self._receive_raw(request, caller)
        else:
            plan, stored = await self._receive_parts(request, boundary, caller)
        return await self._record(caller, plan, stored)

    async def close(self) -> None:
        if self._fetcher is not None:
            await self._fetcher.close()

    async def _receive_raw(self, request: Request, caller: Caller) -> tuple[Plan, list[Stored]]:
        pairs = _query(request)
        name = display_name(next((text for key, text in pairs if key == _NAME), None))
        plan = await self._plan([pair for pair in pairs if pair[0] != _NAME], caller)
        settings = self._settings
        with self._new_intake() as intake:
            async for chunk in read_body(request, limit=settings.max_bytes, patience=self._patience):
                _holds_image(plan)
                intake.add(chunk)
            if _names_image(plan):
                return plan, [await self._named(plan, intake, caller, name)]
            return plan, [await self._keep(intake, caller, name)]

    async def _receive_parts(self, request: Request, boundary: bytes, caller: Caller) -> tuple[Plan, list[Stored]]:
        """Fields may come before or after the images; those before are checked before an image is read."""
        settings = self._settings
        most = settings.max_parts * (settings.max_bytes + PART_OVERHEAD)
        body = read_body(request, limit=most, patience=self._patience)
        pairs = _query(request)
        plan: Plan | None = None
        stored: list[Stored] = []
        parts = read_parts(body, boundary, max_images=settings.max_parts, new_intake=self._new_intake)
        async with aclosing(body), aclosing(parts):
            async for part in parts:
                if isinstance(part, Field):
                    pairs.append((part.name, part.text))
                    plan = None
                elif isinstance(part, ImageStart):
                    plan = plan or await self._plan(pairs, caller)
                elif part.intake.size or part.name:  # a form whose file was not chosen sends an empty, unnamed part
                    plan = _holds_image(plan or await self._plan(pairs, caller))
                    stored.append(await self._keep_part(part, caller))
        plan = plan or await self._plan(pairs, caller)
        if stored:
            return _holds_image(plan), stored
        if not _names_image(plan):
            raise InvalidRequest("The request has no image; send at least one part named 'image'.")
        with self._new_intake() as intake:
            return plan, [await self._named(plan, intake, caller, None)]

    async def _plan(self, pairs: list[tuple[str, str]], caller: Caller) -> Plan:
        parameters = read_parameters(pairs, accept=caller.accept)
        if parameters.webhook is not None:
            check_webhook(parameters.webhook, self._settings.webhook_reach)
        chain = await self._offer.check(parameters.filters)
        partition = partition_for(caller.owner, parameters.batch, caller.idempotency_key, self._settings.partitions)
        await self._backlog.admit(keys.uploaded(partition, bulk=parameters.bulk))
        return Plan(parameters, chain, partition)

    def _new_intake(self) -> Intake:
        settings = self._settings
        return Intake(self.budget, limit=settings.max_bytes, memory=settings.upload_memory, folder=settings.upload_dir)

    async def _named(self, plan: Plan, intake: Intake, caller: Caller, name: str | None) -> Stored:
        """The image that a request names by its address or by its key."""
        source, url = plan.parameters.source, plan.parameters.url
        if source is None:
            return await self._fetch(url or "", intake, caller, name)
        if url is not None:
            raise InvalidParameter("url and source are two images; give one of them.", parameter="source")
        waiting = await self._inbox.take(source, caller.owner)
        if caller.key_id is not None and waiting.is_new:
            await self._quotas.count_bytes(caller.key_id, waiting.size)
        return Stored(source, f"{source} {waiting.version}", None, waiting.size, name)

    async def _fetch(self, url: str, intake: Intake, caller: Caller, name: str | None) -> Stored:
        if self._fetcher is None:
            raise InvalidParameter(
                "Images are not fetched here; whoever runs this Darkroom can list hosts in DARKROOM_FETCH_HOSTS.",
                parameter="url",
            )
        await self._fetcher.fetch(url, intake)
        return await self._keep(intake, caller, name or display_name(unquote(urlsplit(url).path)))

    async def _keep(self, intake: Intake, caller: Caller, name: str | None) -> Stored:
        """Check one image from its header and store it under its content hash."""
        if not intake.size:
            raise InvalidRequest("The image is empty.")
        contents = intake.contents()
        header = inspect(contents, max_pixels=self._settings.max_pixels)
        source = blob_key("originals", caller.owner, intake.digest)
        if caller.key_id is not None:
            # Each image before it is stored: what the rest of its request comes to changes nothing about its bytes.
            await self._quotas.count_bytes(caller.key_id, intake.size)
        await self._store.put_async(source, memoryview(contents), media_type=header.media_type)
        return Stored(source, intake.digest, header, intake.size, name)

    async def _keep_part(self, image: Image, caller: Caller) -> Stored:
        try:
            return await self._keep(image.intake, caller, image.name)
        except DarkroomError as error:
            named = f" ({image.name})" if image.name else ""
            details = {**error.details, "part": image.number}
            raise type(error)(f"Image {image.number}{named}: {error.message}", **details) from error

    async def _record(self, caller: Caller, plan: Plan, stored: list[Stored]) -> tuple[Response, str]:
        submission, answer = _submission(caller, plan, stored)
        stream = keys.uploaded(plan.partition, bulk=plan.parameters.bulk)
        earlier = await self._submitter.submit(submission)
        if earlier is not None:
            return _accepted(earlier, {"Idempotency-Replayed": "true"}), "repeated"
        self._backlog.published(stream, len(stored))
        self._metrics.images.labels("bulk" if plan.parameters.bulk else "normal").inc(len(stored))
        for image in stored:
            self._metrics.bytes.observe(image.size)
        return _accepted(answer), "accepted"


def _holds_image(plan: Plan) -> Plan:
    """The plan of a request that holds an image. Raises InvalidParameter when it names one elsewhere as well."""
    if _names_image(plan):
        which = "source" if plan.parameters.source is not None else "url"
        raise InvalidParameter(f"{which} goes instead of an image, not beside one.", parameter=which)
    return plan


def _names_image(plan: Plan) -> bool:
    return plan.parameters.url is not None or plan.parameters.source is not None


def _submission(caller: Caller, plan: Plan, stored: list[Stored]) -> tuple[Submission, bytes]:
    """The jobs of a request, and the body of the 202 that tells of them."""
    parameters = plan.parameters
    batch = parameters.batch or keys.new_id(plan.partition)
    expected = parameters.expected if parameters.batch else len(stored)
    if expected is not None and expected < len(stored):
        raise InvalidParameter(
            f"expected is {expected}, but this request alone has {len(stored)} images.", parameter="expected"
        )
    jobs = [
        ImageUploaded(
            source=image.source,
            job_id=keys.new_id(plan.partition),
            owner=caller.owner,
            batch=batch,
            expected=expected,
            filters=plan.chain,
            output=parameters.output,
            webhook=parameters.webhook,
            name=image.name,
            media_type=image.header.media_type if image.header else None,
            width=image.header.width if image.header else None,
            height=image.header.height if image.header else None,
            bytes_in=image.size,
        )
        for image in stored
    ]
    answer = msgspec.json.encode({"batch": batch, "jobs": [_told(job.job_id) for job in jobs]})
    key = caller.idempotency_key
    idempotency = Idempotency(key, fingerprint(plan, stored), answer) if key is not None else None
    submission = Submission(
        plan.partition, caller.owner, batch, jobs, bulk=parameters.bulk, expected=expected, idempotency=idempotency
    )
    return submission, answer


def fingerprint(plan: Plan, stored: list[Stored]) -> str:
    """What tells two requests apart that carry one idempotency key: the images, in order, and the parameters."""
    facts = msgspec.json.encode([[image.digest for image in stored], plan.parameters, plan.chain])
    return sha256(facts).hexdigest()


def _query(request: Request) -> list[tuple[str, str]]:
    return request.query_params.multi_items() if request.scope["query_string"] else []


def _told(job_id: str | None) -> dict[str, object]:
    self_link = f"/v1/jobs/{job_id}"
    links = {
        "self": self_link,
        "result": f"{self_link}/result",
        "original": f"{self_link}/original",
        "events": f"{self_link}/events",
    }
    return {"id": job_id, "state": "queued", "links": links}


def _accepted(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, 202, headers, "application/json")
