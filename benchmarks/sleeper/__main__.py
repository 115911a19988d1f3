"""A process service whose child sleeps instead of developing, for `benchmarks.consumers`."""

import asyncio
from unittest.mock import patch

from benchmarks.sleeper import SECONDS
from services.process import app
from services.process.pool import Pool
from services.process.request import Report, Request, Step
from services.process.turns import Turn
from shared.events import Result
from shared.service import run

_REPORT = Report(
    result=Result(key="results/none", media_type="image/jpeg", bytes=1, width=1, height=1),
    steps=[Step("sleep", 0, int(SECONDS * 1e9))],
)


class SleepingPool(Pool):
    """One child that is none."""

    children = 1

    async def start(self) -> None:
        self._turns.free(object())  # type: ignore[arg-type] # stands for the child

    async def _develop(self, request: Request, turn: "Turn[object]") -> Report:  # type: ignore[override] # noqa: ARG002
        child = await self._turns.child(turn)  # type: ignore[arg-type] # as above
        await asyncio.sleep(SECONDS)
        self._turns.free(child)
        return _REPORT


def main() -> None:
    with patch.object(app, "Pool", SleepingPool):
        run(app.ProcessService(app.ProcessSettings()))


if __name__ == "__main__":
    main()
