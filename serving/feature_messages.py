"""Messages of given features: all that the model looks at of an invoice, in JSON and back."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError

from models.customer_curve import MOST_INVOICES
from pipelines.features import page
from serving.limits import INVOICES_PER_REQUEST
from serving.messages import Day, Id, Language, Message, Money, Text


def _figure(most: float) -> Any:
    """A number of a feature, as far as any ledger of ours could bring it."""

    def read(value: object) -> float:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            if -most <= value <= most:  # compared as it was written: no integer is too long for it
                return float(value)
        raise PydanticCustomError("number", f"a number between -{most:.0f} and {most:.0f}")

    schema = {"type": "number", "minimum": -most, "maximum": most}
    return Annotated[float, PlainValidator(read), WithJsonSchema(schema)]


MOST_DAYS = 100_000
Figure, DaysFigure = _figure(10**18), _figure(MOST_DAYS)  # cents of 50,000 invoices are fewer
DaysAgo = Annotated[int, Field(ge=-MOST_DAYS, le=MOST_DAYS)]
Payments = Annotated[int, Field(ge=0, le=1_000_000)]


class PaymentRecord(Message):
    """The customer's recent invoices, the first known first; days count back from `as_of`.

    As many as the model judges a customer by: those of half a year, at least the last hundred.
    """

    known_days_ago: list[Annotated[int, Field(ge=1, le=MOST_DAYS)]] = Field(
        max_length=MOST_INVOICES, description="When each became known; never rising."
    )
    due_days_ago: list[DaysAgo] = Field(
        max_length=MOST_INVOICES, description="Its due business date; negative when still ahead."
    )
    closed_days_ago: list[DaysAgo | None] = Field(
        max_length=MOST_INVOICES, description="When it was settled, null while it is open."
    )
    is_cancelled: list[bool] = Field(
        max_length=MOST_INVOICES, description="Whether a credit note settled it, not money."
    )


def _features() -> type[Message]:
    fields: dict[str, Any] = {
        str(row["name"]): (
            (DaysFigure if str(row["unit"]).startswith("days") else Figure) | None,
            Field(description=f"{row['definition']}, {row['unit']}"),
        )
        for row in page.described()
    }
    return create_model("Features", __base__=Message, __doc__=_FEATURES, **fields)


_FEATURES = "The book's values by name, null where missing; `puntuale features` explains them."
Features = _features()


class GivenInvoice(Message):
    """All that the model looks at of one open invoice."""

    invoice_id: Id
    due_business_date: Day
    open_cents: Money = Field(alias="open_amount")
    country: Text | None = Field(default=None, description="The customer's: its working days.")
    company_code: Text | None = Field(default=None, description="Whose invoice it is.")
    terms_code: Text | None = Field(
        default=None, description="With company_code, who it is compared with."
    )
    weekday_payments: list[Payments] = Field(
        min_length=7,
        max_length=7,
        description="How many payments the customer made on each weekday, Monday first.",
    )
    record: PaymentRecord = Field(description="How the customer paid its recent invoices.")
    features: Features = Field(  # type: ignore[valid-type]  # made from the book
        description="Every feature of the book by name, null where missing."
    )


class FeaturesRequest(Message):
    """Open invoices to score from what the model looks at, as it was before `as_of`."""

    as_of: Day = Field(description="The features are what was known before this day.")
    feature_book: str | None = Field(
        default=None,
        max_length=64,
        description="The fingerprint of the book that made the features: refused if not ours.",
    )
    language: Language | None = Field(
        default=None, description="Of the texts in the answer; the service's own by default."
    )
    invoices: list[GivenInvoice] = Field(
        min_length=1, max_length=INVOICES_PER_REQUEST, description="As /v1/features gives them."
    )
