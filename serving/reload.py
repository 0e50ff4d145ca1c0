"""Reload: what is at hand follows what was promoted and published, while requests go on.

A model is loaded and checked beside the one that answers, its golden rows too; then one reference
is exchanged. A request took its model when it began and keeps it. What cannot be taken up leaves
the last good one in place, and is said in the log, in /metrics and in /readyz.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from serving.at_hand import AtHand

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
TRY_AGAIN_SECONDS = 30.0  # what was refused may come right: a disk that is back, a copy that ends


@dataclass
class Reload:
    """Looks at the two pointers, and takes up what they name."""

    at_hand: AtHand
    clock: Callable[[], float] = time.monotonic
    _refused_at: float | None = field(default=None, init=False)

    def look(self) -> None:
        """One look; called beside the event loop, by one thread at a time."""
        self.at_hand.refresh_scores()
        if self.at_hand.is_champion_other() or self._may_try_again():
            self.at_hand.load_model()
            self._refused_at = self.clock() if self.at_hand.model_fault else None

    def _may_try_again(self) -> bool:
        if not self.at_hand.model_fault:
            return False
        if self._refused_at is None:  # refused at the start of the process
            self._refused_at = self.clock()
        return self.clock() - self._refused_at > TRY_AGAIN_SECONDS

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # looking again is all that helps, and the last good one answers
                logger.exception("what was published could not be looked at")


@contextlib.asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """This work goes on until the block ends, and has ended after it."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
