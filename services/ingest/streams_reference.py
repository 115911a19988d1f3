"""The section of /docs on the streams: the AsyncAPI document for people to read."""

from collections.abc import Iterator
from html import escape
from typing import Any

from services.ingest.markup import kind, listing, table, text

_PUBLISH = (
    "<p>Any program with a Redis client publishes a picture that lies in the blob store:</p>"
    "<pre>XADD 'image.uploaded:{0}' * data "
    '\'{"source":"inbox/cat.jpg","filters":[{"name":"sepia"}]}\'</pre>'
)


def streams_section(asyncapi: dict[str, Any]) -> str:
    """Channels with who reads and writes them, then the events with their fields and an example."""
    channels: dict[str, dict[str, Any]] = asyncapi["channels"]
    return (
        f'<section id="streams"><h2>Streams</h2><p>{text(asyncapi["info"]["description"])}</p>{_PUBLISH}'
        + table("", ("Stream", "Holds", "Event", "Who"), [_channel(asyncapi, name) for name in channels])
        + "".join(_events(asyncapi))
        + "</section>"
    )


def _channel(asyncapi: dict[str, Any], name: str) -> tuple[str, ...]:
    channel = asyncapi["channels"][name]
    who = [
        text(operation["description"])
        for operation in asyncapi["operations"].values()
        if operation["channel"]["$ref"].endswith(f"/{name}")
    ]
    events = ", ".join(f'<a href="#event-{escape(event)}">{escape(event)}</a>' for event in channel["messages"])
    # Doubled braces are how AsyncAPI writes those that are meant as they are.
    address = channel["address"].replace("{{", "{").replace("}}", "}")
    return f"<code>{escape(address)}</code>", text(channel["description"]), events, "<br>".join(who)


def _events(asyncapi: dict[str, Any]) -> Iterator[str]:
    """Each event, and what it is made of."""
    schemas: dict[str, dict[str, Any]] = asyncapi["components"]["schemas"]
    payloads = set()
    for name, message in asyncapi["components"]["messages"].items():
        payload = message["payload"]["$ref"].rsplit("/", 1)[-1]
        payloads.add(payload)
        example = "".join(listing(one["payload"]) for one in message["examples"])
        yield f'<h3 id="event-{escape(name)}">{escape(name)}</h3>{_fields(schemas[payload])}{example}'
    for name, schema in schemas.items():
        if name not in payloads:
            yield f'<h3 id="part-{escape(name)}">{escape(name)}</h3>{_fields(schema)}'


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(field)}</code>",
            # The parts of events have addresses of their own: documents of the HTTP interface may have their names.
            kind(value).replace("#schema-", "#part-").replace("#part-ImageUploaded", "#event-ImageUploaded"),
            "yes" if field in required else "no",
        )
        for field, value in schema.get("properties", {}).items()
    ]
    return f"<p>{text(schema.get('description', ''))}</p>{table('', ('Field', 'Type', 'Needed'), rows)}"
