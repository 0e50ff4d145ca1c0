"""Nights that were missed, made up in order: each as of its own day, from the ledger as it is now.

A day's events count from the day they were booked, so a night that is made up says what it would
have said, but for rows that were changed or booked back since.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from pipelines import night
from pipelines.gate import PublishRefused
from pipelines.job import Job
from pipelines.night import Night
from pipelines.store import ScoreStore

AT_MOST = 14  # as many snapshots are kept: older ones would go at once


def days(job: Job, *, most: int = AT_MOST) -> tuple[list[date], int]:
    """The days after the last published night up to the job's own, the oldest first.

    At most so many, the newest; the number tells how many older ones are left out. The job's own
    day alone where nothing was published yet, or nothing is missing.
    """
    published = ScoreStore(job.settings.scores_folder).names()
    last = date.fromisoformat(published[-1][:10]) if published else job.as_of
    missing = max((job.as_of - last).days, 1)
    wanted = min(missing, most)
    return [job.as_of - timedelta(days=back) for back in reversed(range(wanted))], missing - wanted


def catch_up(
    job: Job, *, most: int = AT_MOST, work: Callable[[Job], Night] = night.run
) -> tuple[list[Night], list[str]]:
    """The nights of `days`, one by one, and what is to be told of those that were not published.

    A day of the past that must not be published holds no later one up; the job's own day raises.
    """
    wanted, left_out = days(job, most=most)
    notes = [f"{left_out} older nights were missed too and are left out"] if left_out else []
    nights = []
    for day in wanted:
        try:
            nights.append(work(replace(job, as_of=day)))
        except PublishRefused as refused:
            if day == job.as_of:
                raise
            notes.append(f"the night of {day} is left out: {refused}")
    return nights, notes
