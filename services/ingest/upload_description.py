"""What OpenAPI says of POST /v1/images. The route reads its body as a stream, so the description is written here."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.guard import MEDIA_TYPES
from services.ingest.parameters import FORMATS, FRAMES, METADATA, MOST_EXPECTED, PRIORITIES, SUBSAMPLINGS
from shared import problems
from shared.errors import (
    CorruptImage,
    DarkroomError,
    Forbidden,
    IdempotencyConflict,
    InvalidParameter,
    InvalidRequest,
    NoCatalogue,
    Overloaded,
    RateLimited,
    SourceNotFound,
    StorageUnavailable,
    TimedOut,
    TooManyBytes,
    TooManyPixels,
    Unauthorized,
    UnknownFilter,
    UnsupportedMedia,
)

_ID: Final = "0-01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f"
_ACCEPTED_EXAMPLE: Final[dict[str, Any]] = {
    "batch": "0-01936e6a-1f2b-7c3d-8e4f-000000000000",
    "jobs": [
        {
            "id": _ID,
            "state": "queued",
            "links": {
                "self": f"/v1/jobs/{_ID}",
                "result": f"/v1/jobs/{_ID}/result",
                "original": f"/v1/jobs/{_ID}/original",
                "events": f"/v1/jobs/{_ID}/events",
            },
        }
    ],
}


class AcceptedLinks(BaseModel):
    self: str
    result: str
    original: str
    events: str


class AcceptedJob(BaseModel):
    id: str
    state: str = Field(description="Always queued.")
    links: AcceptedLinks


class Accepted(BaseModel):
    """The jobs of an upload, in the order of its images."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ACCEPTED_EXAMPLE]})

    batch: str
    jobs: list[AcceptedJob]


_TEXT: Final = {"type": "string"}
#: Each parameter with its JSON Schema: a form field of a multipart request, a query parameter of a raw one.
PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "filters": {
        **_TEXT,
        "description": "The chain of filters: a JSON array, or the short form. Empty: the image is only "
        "re-encoded, and where nothing else is asked for either, it is its own result, byte for byte.",
        "examples": ["sepia,blur:size=9", '[{"name": "blur", "size": 9}]'],
    },
    "format": {
        **_TEXT,
        "enum": list(FORMATS),
        "default": "source",
        "description": "Format of the result. source: the image's own, or png where that is not written. "
        "auto: avif or webp where the request's Accept names it, else source.",
    },
    "quality": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "examples": [85],
        "description": "Quality of a lossy result; without it the format's default.",
    },
    "lossless": {
        "type": "boolean",
        "default": False,
        "description": "No sample may change: webp, and png, which never loses any. In animations this holds for all "
        "that can be seen, not for the colour of what is wholly clear.",
    },
    "subsampling": {
        **_TEXT,
        "enum": list(SUBSAMPLINGS),
        "default": "420",
        "description": "Chroma subsampling of a jpeg.",
    },
    "metadata": {
        **_TEXT,
        "enum": list(METADATA),
        "default": "icc",
        "description": "What stays of the source's metadata: nothing, the colour profile, or profile and EXIF. An "
        "image that nothing is done to is its own result and keeps all that it carries, also where it was taken; "
        "none takes it out. The EXIF of a tiff source is never kept, and nothing in an avif animation.",
    },
    "frames": {
        **_TEXT,
        "enum": list(FRAMES),
        "default": "first",
        "description": "The first picture of an animation, or every one (png, webp or avif).",
    },
    "priority": {
        **_TEXT,
        "enum": list(PRIORITIES),
        "default": "normal",
        "description": "bulk jobs let normal ones go first.",
    },
    "webhook": {
        **_TEXT,
        "format": "uri",
        "description": "http or https URL that is told when a job has ended.",
        "examples": ["https://example.com/developed"],
    },
    "batch": {
        **_TEXT,
        "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        "description": "Joins several requests into one batch; without it each request is a batch of its own.",
        "examples": ["holiday-2026"],
    },
    "expected": {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST_EXPECTED,
        "description": "How many jobs the batch will have in all; goes with batch. Of several requests the highest "
        "number counts; a batch may get more jobs than that, and is complete when all have ended.",
        "examples": [200],
    },
    "url": {
        **_TEXT,
        "format": "uri",
        "maxLength": 2048,
        "description": "http or https address of the image, for a request that holds none itself. Only from hosts "
        "that this Darkroom fetches from (DARKROOM_FETCH_HOSTS); without any, no url is taken.",
        "examples": ["https://pictures.example.com/cat.jpg"],
    },
    "source": {
        **_TEXT,
        "pattern": "^(inbox/[A-Za-z0-9._-]{1,64}/[A-Za-z0-9-]{1,64}"
        "|originals/[0-9]{4}-[0-9]{2}-[0-9]{2}/[A-Za-z0-9._-]{1,64}/[0-9a-f]{64})$",
        "description": "Key of an image that is in the object store, for a request that holds none itself: put there "
        "with POST /v1/uploads, or the `source` of a job of yours of the same day (UTC), which need not be sent again "
        "for another chain. Its type is told when it is developed.",
        "examples": ["inbox/alice/01936e6a-1f2b-7c3d-8e4f-5a6b7c8d9e0f"],
    },
}
_NAME: Final = {
    **_TEXT,
    "description": "File name of a raw upload, only ever shown.",
    "maxLength": 255,
    "examples": ["cat.jpg"],
}
_BINARY: Final = {"type": "string", "format": "binary"}

_BODY: Final[dict[str, Any]] = {
    "required": False,
    "description": "A form with images and parameters, or one image with the parameters in the query. A request with "
    "a url or a source in its query has no body.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "anyOf": [{"required": ["image"]}, {"required": ["url"]}],
                "properties": {
                    **PARAMETERS,
                    "image": {
                        "type": "array",
                        "items": _BINARY,
                        "minItems": 1,
                        "maxItems": 64,
                        "description": "One part named image for each image.",
                    },
                },
            },
            "example": {"filters": "sepia,blur:size=9", "format": "webp", "image": ["the bytes of cat.jpg"]},
        },
        **{
            media_type: {"schema": _BINARY, "example": f"the bytes of cat.{media_type.removeprefix('image/')}"}
            for media_type in MEDIA_TYPES
        },
    },
}
_QUERY: Final = [
    *(
        {"name": name, "in": "query", "allowEmptyValue": True, "schema": schema}
        for name, schema in {**PARAMETERS, "name": _NAME}.items()
    ),
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": {**_TEXT, "maxLength": 255, "examples": ["2026-11-24-cat"]},
        "description": "A repeat with the same key within 24 h gets the first answer and adds no job.",
    },
]
_REPLAYED: Final = {
    "Idempotency-Replayed": {
        "description": "true when this is the answer of an earlier request.",
        "schema": {"type": "string"},
    }
}
ERRORS: Final[tuple[type[DarkroomError], ...]] = (
    *(InvalidRequest, TooManyBytes, UnsupportedMedia, CorruptImage, TooManyPixels, UnknownFilter, InvalidParameter),
    *(SourceNotFound, TimedOut),
    *(IdempotencyConflict, StorageUnavailable, Overloaded, NoCatalogue, Unauthorized, Forbidden, RateLimited),
)

#: Keyword arguments of the route for FastAPI.
DESCRIPTION: Final[dict[str, Any]] = {
    "summary": "Upload images to develop",
    "description": (
        "Each image becomes a job, and the jobs of one request a batch. The body is a form with one `image` part for "
        "each image and the parameters as fields, before or after them; or it is one image, with the parameters in "
        "the query; an empty one is as good as none. A `url` instead of an image has it fetched; a `source` "
        "names one that was put to the object store. The type of an "
        "image is told from its bytes. The answer comes when every image is stored and "
        "every job recorded; if one image is refused, so is the whole request."
    ),
    "tags": ["images"],
    "status_code": 202,
    "response_model": Accepted,
    "response_description": "All images of the request are stored, recorded and queued.",
    "responses": {202: {"headers": _REPLAYED}, **problems.described(*ERRORS)},
    "openapi_extra": {"requestBody": _BODY, "parameters": _QUERY},
}
