"""The documents about Darkroom's own interfaces: OpenAPI, AsyncAPI, and the reference page made from the former."""

from pathlib import Path
from typing import Final

import msgspec

from services.ingest.pages import Document
from services.ingest.reference import reference_page

_CONTRACTS: Final = Path(__file__).parent / "contracts"


class Documents:
    """Read once at start."""

    def __init__(self, folder: Path = _CONTRACTS) -> None:
        openapi = (folder / "openapi.json").read_bytes()
        self.openapi = Document.of(openapi, "application/json")
        asyncapi = (folder / "asyncapi.json").read_bytes()
        self.asyncapi = Document.of(asyncapi, "application/json")
        self.style = Document.of((folder / "reference.css").read_bytes(), "text/css")
        page = reference_page(msgspec.json.decode(openapi), msgspec.json.decode(asyncapi))
        self.page = Document.of(page.encode(), "text/html")
