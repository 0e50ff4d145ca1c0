"""An installation of two companies: rossi, and bianchi, all of whose ids begin with its name."""

from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import tenants
from pipelines.settings import Settings
from tests import small_company

NAMES = ("rossi", "bianchi")
OTHERS_MARK = "bianchi-"


@cache
def others_ledger() -> Path:
    """The small company's rows under other ids: not one of them is the other company's."""
    folder = small_company.ledger_folder().with_name("others_ledger")
    folder.mkdir()
    for path in small_company.ledger_folder().iterdir():
        table = pq.read_table(path)
        for at, name in enumerate(table.schema.names):
            if name.endswith("_id"):
                marked = pc.binary_join_element_wise(OTHERS_MARK, table[name].cast(pa.string()), "")
                table = table.set_column(at, name, marked)
        pq.write_table(table, folder / path.name)
    return folder


def installation(home: Path, *, database_url: str | None = None, **given: object) -> Settings:
    """The settings of both together, each on its own ledger, without a model."""
    settings = Settings(_env_file=None, home=home, database_url=database_url, **given)  # type: ignore[call-arg, arg-type]
    ledgers = (small_company.ledger_folder(), others_ledger())
    for name, ledger in zip(NAMES, ledgers, strict=True):
        tenants.add(settings, name, {"ledger": str(ledger)})
    return settings
