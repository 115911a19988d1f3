"""`python -m services.ingest` runs the service until a signal asks it to stop."""

import sys

from services.ingest.app import IngestService
from services.ingest.settings import IngestSettings
from shared.exposure import exposed
from shared.service import run

if __name__ == "__main__":
    settings = IngestSettings()
    if reason := exposed(settings.host, settings):
        sys.exit(reason)
    run(IngestService(settings), host=settings.host, port=settings.port)
