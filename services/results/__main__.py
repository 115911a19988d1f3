"""Run the results service alone: `python -m services.results`."""

import sys

from services.results.app import ResultsService
from services.results.settings import ResultsSettings
from shared import service
from shared.exposure import exposed

if __name__ == "__main__":
    settings = ResultsSettings()
    if reason := exposed(settings.results_host, settings):
        sys.exit(reason)
    service.run(ResultsService(settings), host=settings.results_host, port=settings.results_port)
