"""One typed hierarchy of what can go wrong, each with its policy.

An error has a code that programs read, an HTTP status, a message that is safe to show to a stranger, and
whether trying again can help. Codes are part of the public contract: never rename one.
"""

from typing import ClassVar


class DarkroomError(Exception):
    """Base of every error that Darkroom raises on purpose.

    `message` says what is wrong and what is allowed; it is shown to users, so it never holds paths, keys of
    other owners or internals. `details` are extra members of the problem document (RFC 9457).
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    #: Whether the same request can succeed later without a change.
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross the border of pool processes, details included."""
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(kind: type[DarkroomError], message: str, details: dict[str, object]) -> DarkroomError:
    return kind(message, **details)


class InvalidRequest(DarkroomError):
    """The request itself cannot be understood: no image, an empty one, too many parts, a malformed field."""

    code = "invalid_request"
    status = 400
    title = "Invalid request"


class InvalidEvent(DarkroomError):
    """An entry of a stream that cannot be read as an event; it becomes a dead letter."""

    code = "invalid_event"
    status = 422
    title = "Unreadable event"


class UnsupportedMedia(DarkroomError):
    code = "unsupported_media"
    status = 415
    title = "Not an image that Darkroom reads"


class CorruptImage(DarkroomError):
    code = "corrupt_image"
    status = 422
    title = "The image is damaged"


class TooManyBytes(DarkroomError):
    code = "too_many_bytes"
    status = 413
    title = "Too many bytes"


class TooManyPixels(DarkroomError):
    code = "too_many_pixels"
    status = 422
    title = "Too many pixels"


class TooManyFrames(DarkroomError):
    code = "too_many_frames"
    status = 422
    title = "Too many frames"


class TooManyFilters(DarkroomError):
    code = "too_many_filters"
    status = 422
    title = "Too many filters"


class UnknownFilter(DarkroomError):
    code = "unknown_filter"
    status = 422
    title = "Unknown filter"


class InvalidParameter(DarkroomError):
    code = "invalid_parameter"
    status = 422
    title = "Invalid parameter"


class NotSupported(DarkroomError):
    """What is asked for is not offered by a Darkroom that is set up in this way."""

    code = "not_supported"
    status = 400
    title = "Not offered here"


class IdempotencyConflict(DarkroomError):
    """An Idempotency-Key was used again with another body."""

    code = "idempotency_conflict"
    status = 422
    title = "Idempotency key used with another request"


class SourceNotFound(DarkroomError):
    code = "source_not_found"
    status = 422
    title = "There is no such source image"


class TimedOut(DarkroomError):
    code = "timed_out"
    status = 422
    title = "The image took too long"


class WorkerCrashed(DarkroomError):
    code = "worker_crashed"
    status = 422
    title = "The image crashed its worker"


class OutOfMemory(DarkroomError):
    code = "out_of_memory"
    status = 422
    title = "The image needs too much memory"


class StorageUnavailable(DarkroomError):
    """The blob store or Redis did not answer; nothing was accepted."""

    code = "storage_unavailable"
    status = 503
    title = "Storage unavailable"
    retryable = True


class Overloaded(DarkroomError):
    code = "overloaded"
    status = 503
    title = "Too much work is waiting"
    retryable = True


class NoCatalogue(DarkroomError):
    """No worker has ever offered its filters here."""

    code = "no_workers"
    status = 503
    title = "No worker has started yet"
    retryable = True


class Unauthorized(DarkroomError):
    code = "unauthorized"
    status = 401
    title = "An API key is needed"


class Forbidden(DarkroomError):
    """Who asks is known, or need not be, but this is not theirs to do."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class RateLimited(DarkroomError):
    code = "rate_limited"
    status = 429
    title = "Too many requests"
    retryable = True


class GaveUp(DarkroomError):
    """An event used up its attempts; it waits among the dead letters."""

    code = "gave_up"
    status = 422
    title = "Gave up after repeated failures"


class NotFound(DarkroomError):
    code = "not_found"
    status = 404
    title = "Not found"


class NotDone(DarkroomError):
    code = "not_done"
    status = 409
    title = "The job is not done"


class NotFailed(DarkroomError):
    """Only a job that failed or was cancelled can run again."""

    code = "not_failed"
    status = 409
    title = "The job did not fail"


class Expired(DarkroomError):
    code = "expired"
    status = 410
    title = "Expired or deleted"


def every_error() -> list[type[DarkroomError]]:
    """All concrete error classes, in the order of their definition (for documents and tests)."""
    return list(DarkroomError.__subclasses__())
