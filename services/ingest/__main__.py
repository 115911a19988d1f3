"""`python -m services.ingest` runs the service until a signal asks it to stop."""

from services.ingest.app import IngestService
from services.ingest.settings import IngestSettings
from shared.service import run

if __name__ == "__main__":
    settings = IngestSettings()
    run(IngestService(settings), host=settings.host, port=settings.port)
