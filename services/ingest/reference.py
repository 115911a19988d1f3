"""The page at /docs: the OpenAPI document for people to read.

Written out on the server, so that it needs no script and nothing from another origin, and can be printed.
"""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from services.ingest.markup import kind, listing, table, text
from services.ingest.streams_reference import streams_section
from shared.errors import every_error

_EXAMPLES: Final = (
    "<h2>In short</h2><pre>"
    "# send a photo\n"
    "curl --data-binary @cat.jpg 'http://127.0.0.1:8080/v1/images?filters=sepia,blur:size=9&amp;format=webp'\n\n"
    "# send several as one batch\n"
    "curl -F filters=sepia -F image=@cat.jpg -F image=@dog.jpg http://127.0.0.1:8080/v1/images\n\n"
    "# follow it, then fetch the result\n"
    "curl -N http://127.0.0.1:8080/v1/jobs/ID/events\n"
    "curl -OJ http://127.0.0.1:8080/v1/jobs/ID/result</pre>"
)
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def reference_page(openapi: dict[str, Any], asyncapi: dict[str, Any]) -> str:
    """A whole HTML document."""
    return _Reference(openapi).page(streams_section(asyncapi))


class _Reference:
    def __init__(self, openapi: dict[str, Any]) -> None:
        self._info = openapi["info"]
        self._paths: dict[str, dict[str, Any]] = openapi["paths"]
        self._schemas: dict[str, Any] = openapi["components"]["schemas"]

    def page(self, streams: str) -> str:
        operations = list(self._operations())
        contents = "".join(
            f'<li><a href="#{anchor}"><b class="{method}">{method.upper()}</b> {escape(path)}</a></li>'
            for anchor, method, path, _ in operations
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Darkroom: the HTTP interface</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="icon" href="/web/icon.svg"><link rel="stylesheet" href="/docs/reference.css"></head><body>'
            f'<nav aria-label="Contents"><a href="/">Darkroom</a><ul>{contents}</ul>'
            '<ul><li><a href="#errors">Errors</a></li><li><a href="#schemas">Documents</a></li>'
            '<li><a href="#streams">Streams</a></li></ul></nav>'
            f"<main><h1>The HTTP interface</h1><p>{text(self._info['description'])}</p>"
            '<p>For programs: <a href="/openapi.json">OpenAPI (JSON)</a>, and the <a href="#streams">streams</a> as '
            '<a href="/asyncapi">AsyncAPI (JSON)</a>.</p>'
            + _EXAMPLES
            + "".join(self._operation(*operation) for operation in operations)
            + _errors()
            + self._documents()
            + streams
            + "</main></body></html>"
        )

    def _operations(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        for path, item in self._paths.items():
            for method in _METHODS:
                if method in item:
                    anchor = f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}"
                    yield anchor, method, path, item[method]

    def _operation(self, anchor: str, method: str, path: str, operation: dict[str, Any]) -> str:
        return (
            f'<section id="{anchor}"><h2><b class="{method}">{method.upper()}</b> <code>{escape(path)}</code></h2>'
            f"<p>{text(operation.get('description') or operation.get('summary', ''))}</p>"
            + self._parameters(operation)
            + self._body(operation)
            + self._responses(operation)
            + "</section>"
        )

    def _parameters(self, operation: dict[str, Any]) -> str:
        rows = [
            (
                f"<code>{escape(parameter['name'])}</code>",
                f"{parameter['in']}{', required' if parameter.get('required') else ''}",
                kind(parameter.get("schema", {})),
                text(parameter.get("description") or parameter.get("schema", {}).get("description", "")),
                _sample(parameter),
            )
            for parameter in operation.get("parameters", [])
        ]
        return table("Parameters", ("Name", "Where", "Type", "Meaning", "For example"), rows)

    def _body(self, operation: dict[str, Any]) -> str:
        body = operation.get("requestBody")
        if body is None:
            return ""
        kinds = ", ".join(f"<code>{escape(media_type)}</code>" for media_type in body["content"])
        return f"<h3>Body</h3><p>{text(body.get('description', ''))}</p><p>{kinds}</p>"

    def _responses(self, operation: dict[str, Any]) -> str:
        rows = [
            (escape(status), text(response.get("description", "")), ", ".join(self._named(response)))
            for status, response in sorted(operation["responses"].items())
        ]
        return table("Answers", ("Status", "Meaning", "Document"), rows)

    def _named(self, response: dict[str, Any]) -> Iterator[str]:
        for media_type, content in response.get("content", {}).items():
            reference = content.get("schema", {}).get("$ref", "")
            name = reference.rsplit("/", 1)[-1]
            yield (
                f'<a href="#schema-{escape(name)}">{escape(name)}</a>' if name else f"<code>{escape(media_type)}</code>"
            )

    def _documents(self) -> str:
        parts = []
        for name, schema in self._schemas.items():
            rows = [
                (f"<code>{escape(field)}</code>", kind(value), text(value.get("description", "")))
                for field, value in schema.get("properties", {}).items()
            ]
            parts.append(
                f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3><p>{text(schema.get("description", ""))}'
                f"</p>{table('', ('Field', 'Type', 'Meaning'), rows)}{_example(schema)}</section>"
            )
        return f'<h2 id="schemas">Documents</h2>{"".join(parts)}'


def _errors() -> str:
    rows = [
        (
            f'<code id="{error.code}">{error.code}</code>',
            str(error.status),
            escape(error.title),
            "yes" if error.retryable else "no",
        )
        for error in every_error()
    ]
    return '<h2 id="errors">Errors</h2>' + table("", ("Code", "Status", "Meaning", "Can a retry help?"), rows)


def _sample(parameter: dict[str, Any]) -> str:
    """What a parameter may look like; its default where it has one."""
    schema = parameter.get("schema", {})
    examples = [parameter["example"]] if "example" in parameter else schema.get("examples", [])
    default = schema.get("default")
    shown = [f"<code>{escape(str(example))}</code>" for example in examples]
    if default not in (None, ""):
        shown.append(f"default <code>{escape(str(default).lower() if default is False else str(default))}</code>")
    return "<br>".join(shown)


def _example(schema: dict[str, Any]) -> str:
    examples = schema.get("examples")
    return listing(examples[0]) if examples else ""
