"""Run the results service alone: `python -m services.results`."""

from services.results.app import ResultsService
from shared import service

if __name__ == "__main__":
    results = ResultsService()
    service.run(results, host=results.settings.results_host, port=results.settings.results_port)
