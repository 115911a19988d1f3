"""`python -m services.process` runs the process service until SIGTERM."""

from services.process.app import ProcessService
from services.process.settings import ProcessSettings
from shared.service import run

if __name__ == "__main__":
    run(ProcessService(ProcessSettings()))
