"""Telling that a night failed: a webhook's message and a mail, without what a fault may hold."""

import logging
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipelines import mail
from pipelines.records import webhooks
from pipelines.records.database import RecordsAway, RecordsDamaged, moment, open_database
from pipelines.settings import Settings
from pipelines.store import ScoreStore

logger = logging.getLogger(__name__)

EVENT = "night.failed"
_OURS = ("models", "pipelines")  # whose messages name no password and no address


def tell(settings: Settings, fault: object, *, run: str, at: datetime) -> None:
    """Tell of a run that failed, once; a way that is away itself is noted in the log.

    An installation of several companies has no records itself, and tells by mail alone.
    """
    last = ScoreStore(settings.scores_folder).current_name()
    about = {"at": moment(at), "reason": reason(fault), "last_night": last and last[:10]}
    if settings.tenant is not None or not settings.tenants_file.exists():
        _queue(settings, run, about, at=at)
    text = (
        f"The night of {about['at']} failed: {about['reason']}\n\n"
        f"What is read is of {about['last_night'] or 'no night yet'}. "
        "The next night makes it up; `puntuale nightly --catch-up` does so now.\n"
    )
    try:
        mail.send(settings, "Puntuale: the night failed", text)
    except (OSError, mail.MailRefused) as away:
        logger.error("no mail tells that the night failed: %s", away)


def _queue(settings: Settings, run: str, about: Mapping[str, Any], *, at: datetime) -> None:
    try:
        with closing(open_database(settings.records_url)) as database:
            with database.writing() as connection:
                webhooks.queue(connection, EVENT, run, about, at=at)
    except (RecordsAway, RecordsDamaged, sa.exc.DatabaseError) as away:
        logger.error("no webhook tells that the night failed: %s", away)


def reason(fault: object) -> str:
    """The fault's name, and its words where it is one of ours."""
    if not isinstance(fault, BaseException):
        return "it ended without a word: killed, or out of memory"
    name = type(fault).__name__
    is_ours = type(fault).__module__.partition(".")[0] in _OURS
    return f"{name}: {str(fault)[:500]}" if is_ours else name
