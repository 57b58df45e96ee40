"""How long `hugmood up` takes until it answers, once its data folder is there."""

import time
from pathlib import Path
from statistics import median

from loadtest.server.stack import hugmood_up, temporary_folder

STARTS = 3


def second_start_s(starts: int = STARTS) -> float:
    """Seconds from the command to the ready file, the median of *starts* after a first one. Raises: StackFailed, OSError."""
    with temporary_folder() as folder:
        _start_s(folder)
        return median(_start_s(folder) for _ in range(starts))


def _start_s(folder: Path) -> float:
    began = time.perf_counter()
    with hugmood_up(folder):
        return time.perf_counter() - began
