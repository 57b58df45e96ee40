"""The names of the job queues. Apart from `storage/jobs.py`, so that settings need not import ARQ."""

from enum import StrEnum


class Queue(StrEnum):
    """One queue per kind of work, so that a long line in one delays no other."""

    CARE = "care"
    MOODS = "moods"
    PUSH = "push"
    MAIL = "mail"
