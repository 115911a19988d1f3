"""One webhook, as it lies in an entry of `image.hooks:{p}`."""

from typing import Final

import msgspec

from shared.entries import Entry, Source


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell: `subject` is a job or batch id, `since` when it was first due (ms), `attempt` counts tries."""

    message_id: str
    type: str
    subject: str
    owner: str
    run: int
    url: str
    since: int
    attempt: int = 1
    traceparent: str = ""


_decoder = msgspec.json.Decoder(Webhook)
#: What `read` raises for an entry that is no webhook.
UNREADABLE: Final = (msgspec.DecodeError, KeyError, ValueError, RecursionError)


def read(source: Source, entry: Entry) -> Webhook:
    """The webhook in an entry: written by a script, or one that comes back from its delay. Raises `UNREADABLE`."""
    if b"data" in entry.fields:
        return _decoder.decode(entry.fields[b"data"])
    text = {name.decode(): value.decode() for name, value in entry.fields.items()}
    return Webhook(
        message_id=f"msg_{source.partition}-{entry.id}",
        type=text["type"],
        subject=text["id"],
        owner=text["owner"],
        run=int(text["run"]),
        url=text["url"],
        since=int(entry.id.split("-")[0]),
        traceparent=text.get("traceparent", ""),
    )


def about_webhook(webhook: Webhook) -> dict[str, str | int]:
    """What log lines say of a webhook."""
    return {
        "webhook": webhook.message_id,
        "type": webhook.type,
        "attempt": webhook.attempt,
        ("batch" if webhook.type == "batch.completed" else "job_id"): webhook.subject,
    }
