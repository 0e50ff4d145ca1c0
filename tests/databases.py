"""An empty database of each kind for a test: SQLite always, PostgreSQL where a server answers."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

SERVER = os.environ.get(
    "PUNTUALE_TEST_DATABASE_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/test"
)
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@contextmanager
def empty(kind: str, folder: Path) -> Iterator[str]:
    """The address of a database that holds nothing; on PostgreSQL a schema that goes afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'records.db'}"
        return
    server = sa.create_engine(SERVER, connect_args={"connect_timeout": 3})
    schema = f"test_{uuid.uuid4().hex[:12]}"
    try:
        with server.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
    except sa.exc.OperationalError as fault:
        pytest.skip(f"no PostgreSQL server answers (PUNTUALE_TEST_DATABASE_URL): {fault.orig}")
    try:
        yield f"{SERVER}?options=-csearch_path%3D{schema}"
    finally:
        with server.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))
        server.dispose()


@contextmanager
def whole() -> Iterator[str]:
    """The address of a PostgreSQL database of its own, for what makes schemas; it goes after."""
    server = sa.create_engine(
        SERVER, connect_args={"connect_timeout": 3}, isolation_level="AUTOCOMMIT"
    )
    name = f"test_{uuid.uuid4().hex[:12]}"
    try:
        with server.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
    except sa.exc.OperationalError as fault:
        pytest.skip(f"no PostgreSQL server answers (PUNTUALE_TEST_DATABASE_URL): {fault.orig}")
    try:
        yield sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()
