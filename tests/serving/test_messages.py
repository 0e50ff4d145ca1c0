import pytest

from pipelines.tables import TABLES
from serving import messages
from serving.messages import Customer
from serving.request_ledger import HISTORY

NESTED = {
    "invoices": messages.Invoice,
    "payments": messages.Payment,
    "credit_notes": messages.CreditNote,
    "disputes": messages.Dispute,
    "promises": messages.PromiseToPay,
    "credit_limits": messages.CreditLimit,
    "external_ratings": messages.ExternalRating,
    "actions": messages.ActionTaken,
    "legal_events": messages.LegalEvent,
}


def names(model):
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("table", NESTED)
def test_a_message_has_the_columns_of_its_table(table):
    columns = {column.name for column in TABLES[table].columns}
    assert names(NESTED[table]) == columns - {"customer_id"}, "rows stand inside their customer"


@pytest.mark.parametrize("table", NESTED)
def test_a_message_requires_what_its_table_requires(table):
    required = {column.name for column in TABLES[table].columns if column.required}
    fields = NESTED[table].model_fields.items()
    found = {field.alias or name for name, field in fields if field.is_required()}
    assert found == required - {"customer_id"}


def test_a_customer_has_the_columns_of_its_table_and_every_other_table():
    columns = {column.name for column in TABLES["customers"].columns}
    assert names(Customer) == columns | NESTED.keys()
    assert set(HISTORY) == NESTED.keys() == TABLES.keys() - {"customers"}
