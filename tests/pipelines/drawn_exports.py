"""One small ledger written as different programs export it: heads, separators, dates, amounts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

NAMES = ("Cartiera Àncora", "Müller & Söhne", "Dépôt du Lac", "Peña Hermanos", "Rossi; figli")


@dataclass(frozen=True)
class Row:
    """An invoice as everybody writes it somehow."""

    number: str
    customer: str
    name: str
    issued: date
    due: date
    amount: Decimal
    paid: date | None


def rows(count: int = 60) -> list[Row]:
    """Invoices of five customers; the last of each are still open."""
    drawn = []
    for n in range(count):
        issued = date(2026, 1, 1) + timedelta(days=2 * n)
        due = issued + timedelta(days=30)
        amount = Decimal(95_050 + 37_125 * n % 4_000_000) / 100
        paid = due + timedelta(days=n % 17 - 4) if n < count - 10 else None
        customer = f"0{100 + n % 5}"
        drawn.append(Row(f"2026/{n:04}", customer, NAMES[n % 5], issued, due, amount, paid))
    return drawn


def comma(amount: Decimal) -> str:
    """1.234,56"""
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def day(form: str, without: str = "") -> Callable[[date | None], str]:
    return lambda d: d.strftime(form) if d else without


Line = Callable[[Row], list[str]]


@dataclass(frozen=True)
class Style:
    """How one program writes: its heads, a row, and what is around them."""

    name: str
    heads: list[str]
    line: Line
    separator: str = ";"
    encoding: str = "utf-8"
    above: str = ""
    below: str = ""

    def write(self, folder: Path) -> Path:
        mark = self.separator
        quoted = [[f'"{c}"' if mark in c else c for c in self.line(row)] for row in rows()]
        lines = [mark.join(cells) for cells in (self.heads, *quoted)]
        path = folder / f"{self.name}.csv"
        text = self.above + "\r\n".join(lines) + "\r\n" + self.below
        path.write_bytes(text.encode(self.encoding))
        return path


IT, US, DE, ISO = day("%d/%m/%Y"), day("%m/%d/%Y"), day("%d.%m.%Y"), day("%Y-%m-%d")
SHORT, NONE_IN_AX = day("%d/%m/%y"), day("%m/%d/%Y 00:00:00", "01/01/1900 00:00:00")

STYLES = [
    Style(
        "scadenzario_20260703",
        [
            "N. documento",
            "Cod. cliente",
            "Ragione sociale",
            "Data doc.",
            "Data scadenza",
            "Importo totale",
            "Data incasso",
            "Divisa",
        ],
        lambda r: [
            r.number,
            r.customer,
            r.name,
            IT(r.issued),
            IT(r.due),
            comma(r.amount),
            IT(r.paid),
            "EUR",
        ],
        encoding="cp1252",
    ),
    Style(
        "english",
        [
            "Invoice No",
            "Customer Account",
            "Customer Name",
            "Invoice Date",
            "Due Date",
            "Total",
            "Paid Date",
        ],
        lambda r: [
            r.number,
            r.customer,
            r.name,
            US(r.issued),
            US(r.due),
            f"${r.amount:,.2f}",
            US(r.paid),
        ],
        separator=",",
    ),
    Style(
        "fbl5n",
        ["BUKRS", "KUNNR", "NAME1", "BELNR", "BLART", "BLDAT", "NETDT", "AUGDT", "DMBTR", "WAERS"],
        lambda r: [
            "1000",
            r.customer,
            r.name,
            r.number,
            "RV",
            r.issued.strftime("%Y%m%d"),
            r.due.strftime("%Y%m%d"),
            day("%Y%m%d", "00000000")(r.paid),
            str(r.amount),
            "EUR",
        ],
        separator="\t",
    ),
    Style(
        "offene_posten",
        [
            "Belegnummer",
            "Debitor",
            "Firma",
            "Belegdatum",
            "Nettofälligkeit",
            "Ausgleichsdatum",
            "Betrag in Hauswährung",
        ],
        lambda r: [
            r.number,
            r.customer,
            r.name,
            DE(r.issued),
            DE(r.due),
            DE(r.paid),
            f"{comma(r.amount)} €",
        ],
        encoding="utf-16",
        separator="\t",
    ),
    Style(
        "CustTransExport",
        [
            "ACCOUNTNUM",
            "CUSTNAME",
            "INVOICE",
            "TRANSDATE",
            "DUEDATE",
            "AMOUNTCUR",
            "CURRENCYCODE",
            "CLOSED",
            "DATAAREAID",
        ],
        lambda r: [
            r.customer,
            r.name,
            r.number,
            NONE_IN_AX(r.issued),
            NONE_IN_AX(r.due),
            str(r.amount),
            "EUR",
            NONE_IN_AX(r.paid),
            "usmf",
        ],
        separator=",",
    ),
    Style(
        "excel",
        ["Fattura", "Cliente", "Emissione", "Scadenza", "Importo", "Pagato il", "", ""],
        lambda r: [
            r.number,
            r.customer,
            SHORT(r.issued),
            SHORT(r.due),
            f"€ {comma(r.amount)}",
            SHORT(r.paid),
            "",
            "",
        ],
        above="sep=;\r\n",
        encoding="cp1252",
    ),
    Style(
        "report",
        [
            "N° facture",
            "Code client",
            "Raison sociale",
            "Date de facture",
            "Échéance",
            "Montant TTC",
            "Date de règlement",
        ],
        lambda r: [
            r.number,
            r.customer,
            r.name,
            IT(r.issued),
            IT(r.due),
            f"{r.amount:,.2f}".replace(",", "\u202f").replace(".", ","),
            IT(r.paid),
        ],
        above="Échéancier clients;;;;;;\r\n;;;;;;\r\nÉdité le 03/07/2026;;;;;;\r\n",
        encoding="utf-8-sig",
    ),
    Style(
        "vencimientos",
        [
            "Nº Factura",
            "Código Cliente",
            "Razón Social",
            "Fecha Factura",
            "Fecha Vencimiento",
            "Importe",
            "Fecha Cobro",
        ],
        lambda r: [
            r.number,
            r.customer,
            r.name,
            IT(r.issued),
            IT(r.due),
            comma(r.amount),
            IT(r.paid),
        ],
    ),
    Style(
        "business_central",
        [
            "Entry No.",
            "Document Type",
            "Document No.",
            "Customer No.",
            "Customer Name",
            "Posting Date",
            "Due Date",
            "Amount",
            "Remaining Amount",
            "Closed at Date",
            "Open",
        ],
        lambda r: [
            r.number[-4:],
            "Invoice",
            r.number,
            r.customer,
            r.name,
            ISO(r.issued),
            ISO(r.due),
            str(r.amount),
            "0.00" if r.paid else str(r.amount),
            ISO(r.paid),
            "No" if r.paid else "Yes",
        ],
        separator=",",
    ),
]
