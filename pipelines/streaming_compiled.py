"""The longer steps from a settlement to its streams, compiled: the bits of `streaming_numpy`."""

import numpy as np

from pipelines.as_of_compiled import _compiled, first_cover
from pipelines.events import Cash, Counts, Days, Flags, Kinds, Owners, Reduced, Rows, Spelled
from pipelines.ordering_compiled import rows_by, tell_apart


@_compiled
def paid(
    kind: Kinds,
    invoice: Rows,
    known: Days,
    day: Days,
    amount: Counts,
    left: Counts,
    customer: Owners,
    known_day: Days,
    allowed: Counts,
    free_owner: Owners,
    free_known: Days,
    free_day: Counts,
    free_amount: Counts,
    never: int,
) -> Cash:
    """Payments and returns by customer, then their days: which are new, and the gaps before."""
    owner, seen, on, cents, payee, source = _gathered(
        kind,
        invoice,
        known,
        day,
        amount,
        customer,
        known_day,
        free_owner,
        free_known,
        free_day,
        free_amount,
    )
    n = len(owner)
    rows = rows_by(owner, seen)
    tell_apart(rows, owner, seen, (on, on, on))

    owners, knowns, days = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    amounts, latest = np.empty(n, np.int64), np.empty(n, np.int64)
    receipt, partial, in_run = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    new, later, gap = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    count_new, count_later = 0, 0
    begin, previous, is_run = 0, -1, False  # of the receipts that may be a run: of the same moment
    highest = -never
    for at in range(n):
        row = rows[at]
        owners[at], knowns[at], days[at], amounts[at] = owner[row], seen[row], on[row], cents[row]
        is_receipt = cents[row] > 0 and (source[row] < 0 or kind[source[row]] == 0)
        receipt[at] = is_receipt
        is_next = (
            at > 0
            and owners[at] == owners[at - 1]
            and knowns[at] == knowns[at - 1]
            and days[at] == days[at - 1]
        )
        if not is_next:
            begin, previous, is_run = at, -1, False
        if is_receipt and payee[row] >= 0:
            partial[at] = left[source[row]] > allowed[payee[row]]
            if previous >= 0 and payee[row] != previous and not is_run:
                is_run = True
                for same in range(begin, at):
                    in_run[same] = receipt[same] and payee[rows[same]] >= 0
            in_run[at] = is_run
            previous = payee[row]
        if at == 0 or owners[at] != owners[at - 1]:
            highest = -never
        until = highest
        if is_receipt:
            highest = max(highest, on[row])
        latest[at] = highest
        if highest > until:
            new[count_new] = at
            count_new += 1
            if until > -never:
                later[count_later], gap[count_later] = at, highest - until
                count_later += 1
    return (
        (owners, knowns, days, amounts, receipt, partial, in_run, latest),
        (new[:count_new], later[:count_later], gap[:count_later]),
    )


@_compiled
def _gathered(
    kind: Kinds,
    invoice: Rows,
    known: Days,
    day: Days,
    amount: Counts,
    customer: Owners,
    known_day: Days,
    free_owner: Owners,
    free_known: Days,
    free_day: Counts,
    free_amount: Counts,
) -> tuple[Counts, Counts, Counts, Counts, Counts, Counts]:
    """Whose cash, when known, of which day, how much, for which invoice, of which movement."""
    most = len(invoice) + len(free_owner)
    owner, seen, on = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    cents, payee, source = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    n = 0
    for i in range(len(invoice)):
        if kind[i] != 2:
            owner[n], payee[n], source[n] = customer[invoice[i]], invoice[i], i
            seen[n], on[n] = max(known[i], known_day[invoice[i]]), day[i]
            cents[n] = amount[i]
            n += 1
    for i in range(len(free_owner)):
        owner[n], payee[n], source[n] = free_owner[i], -1, -1
        seen[n], on[n], cents[n] = free_known[i], free_day[i], free_amount[i]
        n += 1
    return owner[:n], seen[:n], on[:n], cents[:n], payee[:n], source[:n]


@_compiled
def reduced(
    invoice: Rows,
    known: Days,
    applied: Counts,
    left: Counts,
    paid_cents: Counts,
    settles: Flags,
    reopens: Flags,
    customer: Owners,
    known_day: Days,
    due_day: Days,
    allowed: Counts,
    owed: Counts,
    never_open: Flags,
) -> tuple[Reduced, Reduced]:
    """What comes off the open amount, by customer: as it is known, and once it is due as well."""
    most = len(invoice) + np.count_nonzero(never_open)
    columns = np.zeros((4, most), np.int64)
    owner, seen, once_due = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    n = len(invoice)
    was_short, was_left = 0, 0
    for i in range(n):
        row = invoice[i]
        if i == 0 or row != invoice[i - 1]:
            was_short, was_left = 0, 0
        short = int(paid_cents[i] > 0 and left[i] > allowed[row])
        residual = left[i] if short else 0
        columns[0, i] = applied[i]
        columns[1, i] = int(settles[i]) - int(reopens[i])
        columns[2, i], columns[3, i] = short - was_short, residual - was_left
        was_short, was_left = short, residual
        owner[i], seen[i] = customer[row], max(known[i], known_day[row])
        once_due[i] = max(seen[i], due_day[row])
    for row in range(len(owed)):
        if never_open[row]:
            owner[n], seen[n], columns[0, n], columns[1, n] = (
                customer[row],
                known_day[row],
                owed[row],
                1,
            )
            once_due[n] = max(known_day[row], due_day[row])
            n += 1
    return _by_day(owner, seen, columns), _by_day(owner, once_due, columns)


@_compiled
def _by_day(owner: Counts, day: Counts, columns: Counts) -> Reduced:
    rows = rows_by(owner, day)
    n = len(rows)
    owners, days = np.empty(n, np.int32), np.empty(n, np.int32)
    one, two = np.empty(n, np.int64), np.empty(n, np.int64)
    three, four = np.empty(n, np.int64), np.empty(n, np.int64)
    for at in range(n):
        row = rows[at]
        owners[at], days[at] = owner[row], day[row]
        one[at], two[at] = columns[0, row], columns[1, row]
        three[at], four[at] = columns[2, row], columns[3, row]
    return owners, days, one, two, three, four


@_compiled
def oldest_overdue(
    invoice: Rows,
    known: Days,
    settles: Flags,
    reopens: Flags,
    customer: Owners,
    known_day: Days,
    due_day: Days,
    never_open: Flags,
    never: int,
) -> tuple[Owners, Days, Counts]:
    """Each time a customer's oldest overdue invoice may change: whose, when, and its due day."""
    spelled, begin, end = _spells(
        invoice, known, settles, reopens, known_day, due_day, never_open, never
    )
    n = len(spelled)
    owner, day = np.empty(2 * n, np.int64), np.empty(2 * n, np.int64)
    whose, due = np.empty(n, np.int64), np.empty(n, np.int64)
    ends = n
    for i in range(n):
        owner[i], day[i] = customer[spelled[i]], begin[i]
        whose[i], due[i] = owner[i], due_day[spelled[i]]
        if end[i] < never:
            owner[ends], day[ends] = owner[i], end[i]
            ends += 1

    # The points in time, each once, and of each moment the place of its point.
    rows = rows_by(owner[:ends], day[:ends])
    place = np.empty(ends, np.int64)
    owners, days = np.empty(ends, np.int32), np.empty(ends, np.int32)
    points = 0
    for at in range(ends):
        row = rows[at]
        if points == 0 or owners[points - 1] != owner[row] or days[points - 1] != day[row]:
            owners[points], days[points] = owner[row], day[row]
            points += 1
        place[row] = points - 1
    past = np.empty(points, np.int64)  # the first point of the next customer
    for at in range(points - 1, -1, -1):
        is_last = at == points - 1 or owners[at + 1] != owners[at]
        past[at] = at + 1 if is_last else past[at + 1]

    # Oldest first, each spell covers the points of its time that no older one has covered.
    first, stop = np.empty(n, np.int64), np.empty(n, np.int64)
    ends = n
    for i in range(n):
        first[i], stop[i] = place[i], past[place[i]]
        if end[i] < never:
            stop[i] = place[ends]
            ends += 1
    oldest = rows_by(whose, due)
    cover = first_cover(first[oldest], stop[oldest], points, n)
    told = np.empty(points, np.int64)
    for at in range(points):
        told[at] = due[oldest[cover[at]]] if cover[at] < n else never
    return owners[:points], days[:points], told


@_compiled
def _spells(
    invoice: Rows,
    known: Days,
    settles: Flags,
    reopens: Flags,
    known_day: Days,
    due_day: Days,
    never_open: Flags,
    never: int,
) -> Spelled:
    """Each time an invoice is seen open past its due date: the invoice, since when, until when."""
    most = len(known_day) + np.count_nonzero(reopens)
    spelled, begin, end = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    n = at = 0
    for row in range(len(known_day)):
        is_open, since = not never_open[row], max(known_day[row], due_day[row])
        while at < len(invoice) and invoice[at] == row:
            if settles[at] or reopens[at]:
                day = max(known[at], known_day[row])
                if is_open and since < day:
                    spelled[n], begin[n], end[n] = row, since, day
                    n += 1
                is_open, since = reopens[at], max(day, due_day[row])
            at += 1
        if is_open and since < never:
            spelled[n], begin[n], end[n] = row, since, never
            n += 1
    return spelled[:n], begin[:n], end[:n]
