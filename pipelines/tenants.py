"""Tenants: several companies in one installation, each with a home and records of its own.

What works for one company takes its settings and knows of no other: that nothing crosses from one
tenant to another is a matter of where each of them reads and writes, settled here once.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Generic, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError

from models import durable
from pipelines import tenant_tables
from pipelines.records.database import Database, RecordsAway, make_engine, open_database
from pipelines.settings import Settings
from pipelines.tenant_tables import TenantsRefused

HEAD = """\
# The companies of this installation, a table for each; in it the settings that are its own,
# by the names of .env.example in small letters. docs/tenants.md says what is taken over from the
# installation's settings and what never is. `puntuale tenants add NAME` writes a table.
"""
_PRIVATE = 0o600  # a database's address may hold its password

T = TypeVar("T")


class SomeTenantsFailed(RuntimeError):  # noqa: N818 - the name says what happened
    """The work was done for each tenant, and not for these."""

    def __init__(self, faults: Mapping[str, str], *, of: int) -> None:
        told = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
        super().__init__(f"{len(faults)} of {of} tenants failed: {told}")
        self.names = tuple(faults)


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What the work for one tenant gave, or why it gave nothing."""

    tenant: str
    told: T | None = None
    fault: Exception | None = None


def names(settings: Settings) -> tuple[str, ...]:
    """The tenants of the installation, in the order of their file; none for a single company."""
    return tuple(tenant_tables.read(settings.tenants_file, known=Settings.model_fields.keys()))


def settings_of(settings: Settings, name: str) -> Settings:
    """The settings of one tenant; TenantsRefused where there is no such tenant, or they are bad."""
    given = settings.model_dump(exclude_unset=True) | {"tenant": tenant_tables.require_name(name)}
    try:
        return Settings(_env_file=None, **given)  # type: ignore[call-arg]
    except ValidationError as fault:
        told = "; ".join(
            ": ".join([*map(str, error["loc"]), error["msg"]]) for error in fault.errors()
        )
        raise TenantsRefused(f"tenant {name[:60]}: {told}") from None


def every(settings: Settings) -> dict[str, Settings]:
    """The settings of each tenant, by name; none where they are those of one company already.

    Raises TenantsRefused where two tenants would keep their records in the same place.
    """
    if settings.tenant is not None:
        return {}
    found = {name: settings_of(settings, name) for name in names(settings)}
    places: dict[str, str] = {}
    for name, own in found.items():
        if (other := places.setdefault(_place_of_records(own), name)) != name:
            raise TenantsRefused(
                f"tenants {other} and {name} have the same database_url: each needs a database or "
                "a schema of its own"
            )
    return found


def each(settings: Mapping[str, Settings], work: Callable[[Settings], T]) -> Iterable[Outcome[T]]:
    """The work for each tenant in turn; one that fails does not stop the others."""
    for name, own in settings.items():
        try:
            yield Outcome(name, told=work(own))
        except Exception as fault:
            yield Outcome(name, fault=fault)


def add(settings: Settings, name: str, table: Mapping[str, str]) -> Settings:
    """A new tenant: its table in the file, its home and its records; the settings it then has.

    Raises TenantsRefused, and changes nothing, where the name is taken or a setting is bad.
    """
    tenant_tables.require_name(name)
    file = settings.tenants_file
    if name in names(settings):
        raise TenantsRefused(f"tenant {name} is in {file} already")
    home = settings.home / tenant_tables.FOLDER / name
    if home.exists():
        raise TenantsRefused(
            f"{home} is there already: move away what a former tenant of this name has left"
        )
    before = file.read_text(encoding="utf-8") if file.exists() else HEAD
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    text = "\n".join([before.rstrip("\n"), "", f"[{name}]", *lines, ""])
    _try(settings, text)

    durable.make(file.parent)
    mode = file.stat().st_mode & 0o777 if file.exists() else _PRIVATE
    durable.write(file, text.encode())
    file.chmod(mode)
    own = settings_of(settings, name)
    with closing(open_records(own)):
        pass
    return own


def open_records(settings: Settings) -> Database:
    """A tenant's records, with its home folder and its schema made where they are missing."""
    durable.make(settings.home)
    assert settings.tenant is not None
    schema, url = tenant_tables.schema_of(settings.tenant), settings.records_url
    if f"search_path={schema}" in str(sa.make_url(url).query.get("options", "")):
        engine = make_engine(url)
        try:
            with engine.begin() as connection:
                connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        except sa.exc.OperationalError as fault:
            raise RecordsAway(f"no schema for {settings.tenant}: {fault.orig}") from fault
        finally:
            engine.dispose()
    return open_database(url)


def _try(settings: Settings, text: str) -> None:
    """Read the file as it would be, beside the one that is."""
    file = settings.tenants_file
    durable.make(file.parent)
    aside = file.with_name(f".{file.name}{durable.TEMPORARY}")
    aside.touch(_PRIVATE)
    aside.write_text(text, encoding="utf-8")
    try:
        every(settings.model_copy(update={"tenants": aside}))
    except TenantsRefused as refused:
        raise TenantsRefused(str(refused).replace(str(aside), str(file))) from None
    finally:
        aside.unlink()


def _place_of_records(settings: Settings) -> str:
    """Where records are kept, whoever logs in and however."""
    address = sa.make_url(settings.records_url)
    told = (address.get_backend_name(), address.host, address.port, address.database)
    return repr((*told, sorted(address.query.items())))
