"""What the OpenAPI document says of rules: those that JSON Schema has words for, the names of those
that it has none for, and which answers lead to which requests.

The ledger's rules (`pipelines/rules.py`) hold for what a request carries as well; a bound or a list
of values is written beside its field. That a payment is of an invoice in the same request, or that
a day is not before another, no schema can say: the names of such rules stand at the operation's 422
as `x-rules`, and only they may refuse a request that the schema lets through.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, get_args

from pipelines.rules import RULES, door_name
from pipelines.tables import TABLES
from serving.actions_log import ActionDone, PromiseMade
from serving.messages import Customer, Message

Document = dict[str, Any]

BETWEEN_FIELDS = (
    "due_before_issue",
    "returned_before_paid",
    "closed_before_opened",
    "promised_before_made",
    "score_off_scale",
)
WRITTEN = ("int_type",)  # 30.0 is an integer to a schema, and no count of days to us
BETWEEN_ROWS = ("duplicate_id", "unknown_invoice", "foreign_currency", "unknown_currency")
_KINDS = {column.kind for table in TABLES.values() for column in table.columns}
ROW_BY_ROW = (
    *{rule.name for rules in RULES.values() for rule in rules},
    *(f"unreadable_{kind}" for kind in _KINDS),
    "missing_key",
    "unreadable_column",
)
BEYOND_SCHEMA: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("/v1/scores", "post"): (
        *(*WRITTEN, *BETWEEN_FIELDS, *BETWEEN_ROWS),
        *("not_open", "too_many_invoices"),
    ),
    ("/v1/scores/from-features", "post"): (
        *WRITTEN,
        *("another_book", "unequal_lengths", "out_of_order"),
    ),
    ("/v1/what-if", "post"): (*WRITTEN, *BETWEEN_FIELDS, *BETWEEN_ROWS, "cannot_change"),
    ("/v1/what-if/{invoice_id}", "post"): (*WRITTEN, "cannot_change"),
    ("/v1/actions", "post"): ("unknown_action", "unknown_invoice"),
    ("/v1/promises", "post"): ("promised_before_made",),
    ("/v1/alerts/{alert_id}", "post"): ("until_of_snoozed",),
    ("/v1/webhooks", "post"): ("web_address",),
    ("/v1/ledger/{table}", "put"): ROW_BY_ROW,  # with all_or_nothing; else such rows are held
    ("/v1/ledger/{table}", "post"): ROW_BY_ROW,
}


class Link(NamedTuple):
    """What of an answer names what another request is about."""

    answer: tuple[str, str]
    request: tuple[str, str]
    parameters: Mapping[str, str]


_INVOICE, _CUSTOMER = "$response.body#/invoices/0/invoice_id", "/0/customer_id"
LINKS: Mapping[str, Link] = {
    "invoice": Link(
        ("/v1/worklist", "get"), ("/v1/invoices/{invoice_id}", "get"), {"invoice_id": _INVOICE}
    ),
    "customer": Link(
        ("/v1/worklist", "get"),
        ("/v1/customers/{customer_id}", "get"),
        {"customer_id": f"$response.body#/invoices{_CUSTOMER}"},
    ),
    "contact": Link(
        ("/v1/plan", "get"),
        ("/v1/customers/{customer_id}", "get"),
        {"customer_id": f"$response.body#/customers{_CUSTOMER}"},
    ),
    "draft": Link(
        ("/v1/plan", "get"),
        ("/v1/customers/{customer_id}/draft", "get"),
        {
            "customer_id": f"$response.body#/customers{_CUSTOMER}",
            "action": "$response.body#/customers/0/code",
        },
    ),
    "change": Link(
        ("/v1/alerts", "get"),
        ("/v1/alerts/{alert_id}", "post"),
        {"alert_id": "$response.body#/alerts/0/id"},
    ),
    "remove": Link(
        ("/v1/webhooks", "post"),
        ("/v1/webhooks/{webhook_id}", "delete"),
        {"webhook_id": "$response.body#/id"},
    ),
}


def tell_rules(document: Document) -> None:
    """Writes the rules, and the links between answers and requests, into the document."""
    schemas, paths = document["components"]["schemas"], document["paths"]
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            _in_words_of_json_schema(_inner(field))
    for table, message in _messages():
        for rule in RULES[table]:
            field = schemas[message.__name__]["properties"].get(door_name(rule.column))
            if field is not None and rule.bounds and not rule.column.endswith("_cents"):
                _inner(field).update(rule.bounds)
    for (path, method), names in BEYOND_SCHEMA.items():
        paths[path][method]["responses"]["422"]["x-rules"] = sorted(set(names))
    for name, link in LINKS.items():
        (path, method), (to_path, to_method) = link.answer, link.request
        links = paths[path][method]["responses"]["200"].setdefault("links", {})
        links[name] = {
            "operationId": paths[to_path][to_method]["operationId"],
            "parameters": dict(link.parameters),
        }


def _messages() -> Iterator[tuple[str, type[Message]]]:
    """Each table, and the message that carries a row of it."""
    for table in RULES:
        if table in Customer.model_fields:
            yield table, get_args(Customer.model_fields[table].annotation)[0]
    yield from (("actions", ActionDone), ("promises", PromiseMade))


_WORDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def _in_words_of_json_schema(value: Document) -> None:
    """Pydantic leaves the bounds of a type with a validator of its own under its own names."""
    for own, word in _WORDS.items():
        if own in value:
            value.pop(word.replace("exclusiveM", "m"), None)
            value[word] = value.pop(own)


def _inner(field: Document) -> Document:
    """The schema of a field's value where there is one."""
    values = [choice for choice in field.get("anyOf", ()) if choice != {"type": "null"}]
    inner: Document = values[0] if values else field
    return inner
