"""The tenants' file: one table of settings for each company of an installation.

    [rossi]
    ledger = "/srv/ledgers/rossi"
    currency = "EUR"

A tenant has a home, records and keys of its own, whatever its table says; what would give it the
data of another company, or another's mail, is never taken over from the installation.
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

FILE, FOLDER, PRIOR = "tenants.toml", "tenants", "prior"
MOST_CHARACTERS = 32  # with its prefix a name fits into PostgreSQL's 63 for a schema
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)

# One process listens, one clock wakes the night, one file names the tenants.
OF_THE_INSTALLATION = frozenset(
    {"home", "host", "port", "workers", "api_keys", "night_cron", "tenant", "tenants"}
)
# What one company's table must say itself, or nobody does; the addresses lead to pages about all.
NEVER_TAKEN_OVER = frozenset(
    {
        "api_keys",
        "ledger",
        "mail_to",
        "mapping",
        "mlflow_address",
        "prefect_address",
        "pull_from",
    }
)

Table = Mapping[str, Any]


class TenantsRefused(RuntimeError):  # noqa: N818 - the name says what happened
    """A tenants' file, or the name of a tenant, that cannot be used.

    No ValueError: as one pydantic would repeat all settings with it, passwords too.
    """


def require_name(name: str) -> str:
    """The name of a tenant, which is a folder's name too; TenantsRefused for any other text."""
    if len(name) > MOST_CHARACTERS or not _NAME.fullmatch(name):
        raise TenantsRefused(
            f"a tenant's name must be lower case letters and digits, parts of it joined by '-', "
            f"at most {MOST_CHARACTERS} characters, got: {name[:60]!r}"
        )
    return name


def place(given: Mapping[str, Any], *, home: Path) -> Path:
    """Where the tenants' file is, or would be."""
    return Path(given.get("tenants") or home / FILE)


def read(file: Path, *, known: Collection[str]) -> dict[str, Table]:
    """The table of each tenant in the file, by name; none where there is no file.

    Raises TenantsRefused with every fault of the file.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as fault:
        raise TenantsRefused(f"{file} cannot be read: {fault}") from None
    if faults := [fault for name, table in tables.items() for fault in _faults(name, table, known)]:
        raise TenantsRefused(f"{file}: {'; '.join(faults)}")
    return tables


def applied(given: Mapping[str, Any], *, known: Collection[str], home: Path) -> dict[str, Any]:
    """The settings of the tenant that is named in them: the installation's, under its own table's.

    `given` is what the environment and the caller say, `home` the installation's home folder.
    """
    file, name = place(given, home=home), require_name(str(given["tenant"]))
    tables = read(file, known=known)
    if name not in tables:
        raise TenantsRefused(f"tenant must be one of {sorted(tables)} in {file}, got: {name!r}")
    own = {key: value for key, value in tables[name].items() if value != ""}
    shared = {key: value for key, value in given.items() if key not in NEVER_TAKEN_OVER}
    if not own.get("mail_to"):
        shared.pop("smtp_url", None)  # the installation's mail would tell another's figures
        shared["mail_report"] = False
    if not own.get("ledger") and not own.get("pull_from"):
        shared["ledger"] = "records"  # what is sent in: the sample is nobody's invoices
    if root := given.get("artifact_root"):
        shared["artifact_root"] = f"{root}/{name}"
    shared.setdefault("prior_models", home / PRIOR)
    shared["database_url"] = _own_schema(given.get("database_url"), name)
    return shared | own | {"home": home / FOLDER / name, "tenants": file, "tenant": name}


def schema_of(name: str) -> str:
    """The schema of a tenant on the installation's PostgreSQL; no two names give the same."""
    return f"puntuale_{name.replace('-', '_')}"


def _own_schema(url: object, name: str) -> str | None:
    """The installation's PostgreSQL, where nothing but the tenant's schema is seen.

    None, which is a SQLite file below the tenant's home, where no such server is named.
    """
    from sqlalchemy.engine import make_url  # dear to load, and many commands have no tenants

    address = make_url(str(url)) if url else None
    if address is None or address.get_backend_name() != "postgresql":
        return None
    asked = f"{address.query.get('options', '')} -csearch_path={schema_of(name)}".strip()
    return address.update_query_dict({"options": asked}).render_as_string(hide_password=False)


def _faults(name: str, table: object, known: Collection[str]) -> list[str]:
    """What is wrong with one table of the file."""
    try:
        require_name(name)
    except TenantsRefused as refused:
        return [str(refused)]
    if not isinstance(table, dict):
        return [f"{name} must be a table of settings: [{name}]"]
    kept = sorted(table.keys() & OF_THE_INSTALLATION)
    unknown = sorted(table.keys() - known)
    faults = [f"[{name}] {', '.join(kept)}: only for the whole installation"] if kept else []
    return faults + ([f"[{name}] {', '.join(unknown)}: no such setting"] if unknown else [])
