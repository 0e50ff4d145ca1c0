"""The log of actions: each decision with what was known on its day and what had come of it since.

`read` gives one row for each invoice that a decision was about, in LOG_SCHEMA; `decisions` makes
it the arrays that effects and policies are judged on. Outcomes are told only once they are certain:
so many days after the decision, or after the due date, whether or not the invoice was paid.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models import causes, signals
from models.action import Economics
from models.decision_log import UNKNOWN, DecisionLog
from pipelines import features, labels, landmarks, nights_decided, propensities, stable_hash
from pipelines.features import Peers
from pipelines.landmarks import Prepared
from pipelines.ledger import Ledger, days, rows_of
from pipelines.nights_decided import CHANCES

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]

HORIZON_DAYS = 90  # days to payment are counted up to here: a restricted mean
UNPAID_DAYS = 180  # after the due date: stands in for default
DAYS, UNPAID = "days", "unpaid"  # the outcomes

# What may have moved both the choice and the outcome, from the feature book, as of the decision.
FEATURES = tuple(
    "days_to_due ln_amount amount_ratio terms_days n_settled delay_mean delay_mean_180 delay_std "
    "delay_last late30_share days_since_payment n_overdue overdue_share oldest_overdue_age "
    "paid_share disputed promise_pending broken_promises n_reminders due_dow due_month_end".split()
)
_OF_ACTIONS = (
    "action_id customer_id action_code channel performed_on actor outcome_code cost_cents "
    "recommended_action policy_version propensity holdout".split()
)
SCORED_SCHEMA = pa.schema(  # what was said of an invoice on the day, where it was kept
    [
        ("invoice_id", pa.string()),
        ("as_of", pa.date32()),
        ("features_hash", pa.string()),
        ("p_late_30", pa.float64()),
        ("p_unpaid_180", pa.float64()),
        ("cause", pa.string()),
    ]
)
LOG_SCHEMA = pa.schema(
    [
        ("action_id", pa.string()),
        ("customer_id", pa.string()),
        ("invoice_id", pa.string()),
        ("action_code", pa.string()),
        ("channel", pa.string()),
        ("performed_on", pa.date32()),
        ("actor", pa.string()),
        ("outcome_code", pa.string()),
        ("cost_cents", pa.int64()),
        ("recommended_action", pa.string()),
        ("policy_version", pa.string()),
        ("propensity", pa.float64()),
        ("chances", CHANCES),  # of every option, where the night's plan kept them
        ("holdout", pa.bool_()),
        ("open_cents", pa.int64()),
        ("days_past_due", pa.int32()),
        ("segment", pa.string()),
        ("features_hash", pa.string()),
        ("p_late_30", pa.float64()),
        ("p_unpaid_180", pa.float64()),
        ("cause", pa.string()),
        *((name, pa.float64()) for name in FEATURES),
        (DAYS, pa.float64()),  # from the decision to the settlement, at most the horizon
        (UNPAID, pa.float64()),  # 1 still open so many days after the due date, 0 not
    ]
)


def read(
    ledger: Ledger,
    as_of: int,
    *,
    scored: pa.Table | None = None,
    advised: pa.Table | None = None,
    horizon_days: int = HORIZON_DAYS,
    unpaid_days: int = UNPAID_DAYS,
) -> pa.Table:
    """The decisions on open invoices that were known before `as_of`, in LOG_SCHEMA.

    An action that names no invoice is about all that the customer had open. `advised` is what the
    nights kept of their plans (`plan_record.ADVISED_SCHEMA`): with it, days on which nothing was
    done are decisions to wait. `scored` has what was said on the day (SCORED_SCHEMA); where both
    are silent the cause is worked out anew from what was known then, without the warnings that had
    begun on earlier days.
    """
    prepared = landmarks.prepare(ledger.known_before(as_of))
    action, invoice = _about(prepared)
    performed = days(prepared.ledger.actions["performed_on"])[action]
    nights = nights_decided.join(prepared, action, invoice, performed, advised=advised, as_of=as_of)
    action, invoice = nights.action, nights.invoice
    actions = prepared.ledger.actions.take(pa.array(action, mask=action < 0))
    day = nights.day
    settlement = prepared.settlement
    book = features.compute(prepared.streams, invoice, day, Peers.empty())
    known = {name: book[:, at] for at, name in enumerate(features.BOOK)}
    ids = prepared.ledger.invoices["invoice_id"].combine_chunks().take(pa.array(invoice))
    said = {
        name: pc.coalesce(nights.said[name], of_scores)
        for name, of_scores in _said(scored, ids, day).items()
    }
    customer_ids = settlement.customer_ids.take(pa.array(settlement.customer[invoice]))
    owner = rows_of(customer_ids, among=prepared.ledger.customers["customer_id"])
    segment = prepared.ledger.customers["segment"].combine_chunks()
    columns = {
        **{name: actions[name].combine_chunks() for name in _OF_ACTIONS},
        **nights.decided(actions),
        "customer_id": customer_ids,
        "invoice_id": ids,
        "open_cents": _open_cents(prepared, invoice, day),
        "days_past_due": (day - settlement.due_day[invoice]).astype(np.int32),
        "segment": segment.take(pa.array(owner, mask=owner < 0)),
        **said,
        "cause": pc.coalesce(said["cause"], pa.array(_causes(known, day), pa.string())),
        **{name: known[name] for name in FEATURES},
        **_outcomes(prepared, invoice, day, as_of, horizon_days, unpaid_days),
    }
    return pa.table(
        [pa.array(columns[f.name], f.type, from_pandas=True) for f in LOG_SCHEMA],
        schema=LOG_SCHEMA,
    )


def decisions(log: pa.Table, *, by_segment: bool = False) -> DecisionLog:
    """The log as arrays; strata are causes, or cause/segment.

    What was predicted and what was recommended before the toss are features too: they moved the
    choice.
    """
    action, advised = _words(log["action_code"]), _words(log["recommended_action"])
    codes = propensities.codes_of(action, advised, _possible(log))
    policy, by_person = _words(log["policy_version"]), _words(log["actor"]) == "human"
    recommended = propensities.before_the_toss(
        action=action, recommended=advised, policy=policy, by_person=by_person
    )
    customer = stable_hash.of_customers(log["customer_id"])
    cause, segment = (
        np.where(words == "", UNKNOWN, words)
        for words in map(_words, (log["cause"], log["segment"]))
    )
    stratum = np.char.add(np.char.add(cause, "/"), segment) if by_segment else cause
    predicted = ("p_late_30", "p_unpaid_180")
    told = [log[name].to_numpy() for name in (*FEATURES, *predicted)]
    told += [(recommended == code).astype(np.float64) for code in codes]
    return DecisionLog.of(
        codes=codes,
        action=action.tolist(),
        customer=customer,
        stratum=stratum.tolist(),
        features=np.column_stack(told),
        feature_names=(*FEATURES, *predicted, *(f"recommended_{code}" for code in codes)),
        outcomes={name: log[name].to_numpy() for name in (DAYS, UNPAID)},
        propensities=propensities.recorded(
            codes,
            action=action,
            recommended=recommended,
            policy=policy,
            overruled=by_person & (action != advised),
            propensity=log["propensity"].to_numpy(),
            held_out=log["holdout"].fill_null(False).to_numpy(),
            customer=customer,
            kept=_kept(log, codes),
        ),
    )


def _possible(log: pa.Table) -> list[str]:
    """The options that had a chance by the nights' plans."""
    possible: list[str] = (
        pc.struct_field(pc.list_flatten(log["chances"]), "code").unique().to_pylist()
    )
    return possible


def _kept(log: pa.Table, codes: tuple[str, ...]) -> Floats:
    """The chances that the nights kept, by decision and code; NaN where none are kept."""
    chances = log["chances"].combine_chunks()
    row, pairs = pc.list_parent_indices(chances).to_numpy(), chances.flatten()
    place = pc.index_in(pairs.field("code"), value_set=pa.array(codes)).to_numpy()
    kept = np.where(chances.is_null().to_numpy(zero_copy_only=False), np.nan, 0.0)
    table = np.repeat(kept[:, None], len(codes), axis=1)
    table[row, place] = pairs.field("chance").to_numpy()
    return table


def worth_eur(log: pa.Table, economics: Economics) -> Floats:
    """What each decision brought: minus delay, loss and cost; NaN until both outcomes are known.

    What it cost with the customer is not in the log; who values policies takes it off.
    """
    open_eur = log["open_cents"].to_numpy() / 100
    lost = economics.loss_given_default(log["days_past_due"].to_numpy().astype(np.int64))
    delay = economics.rate_per_year / 365 * log[DAYS].to_numpy()
    cost_eur = log["cost_cents"].fill_null(0).to_numpy() / 100
    worth: Floats = -open_eur * (delay + lost * log[UNPAID].to_numpy()) - cost_eur
    return worth


def of_scores(scores: pa.Table) -> pa.Table:
    """A night's scores as SCORED_SCHEMA has them."""
    columns = {name: scores[name] for name in ("invoice_id", "as_of", "p_late_30", "p_unpaid_180")}
    columns["cause"] = pc.struct_field(scores["cause_hint"], "code")
    columns["features_hash"] = (
        scores["features_hash"]
        if "features_hash" in scores.column_names
        else pa.nulls(scores.num_rows, pa.string())
    )
    return pa.table([columns[f.name] for f in SCORED_SCHEMA], schema=SCORED_SCHEMA)


def _about(prepared: Prepared) -> tuple[Rows, Rows]:
    """Pairs of an action and an invoice that was open when it was decided on."""
    settlement, table = prepared.settlement, prepared.ledger.actions
    named = settlement.refers.invoice["actions"]
    customer = rows_of(table["customer_id"], among=settlement.customer_ids)
    by_customer = np.argsort(settlement.customer, kind="stable")
    first = np.searchsorted(
        settlement.customer[by_customer], np.arange(len(settlement.customer_ids) + 1)
    )

    general = np.flatnonzero((customer >= 0) & table["invoice_id"].is_null().to_numpy())
    start, many = first[customer[general]], np.diff(first)[customer[general]]
    within = np.arange(many.sum()) - np.repeat(many.cumsum() - many, many)
    single = np.flatnonzero(named >= 0)
    action = np.concatenate([single, np.repeat(general, many)])
    invoice = np.concatenate([named[single], by_customer[np.repeat(start, many) + within]])

    day = days(table["performed_on"])[action]
    was_open = (settlement.known_day[invoice] < day) & (
        settlement.settled_known_day[invoice] >= day
    )
    kept = np.flatnonzero(was_open & labels.is_labelled(settlement)[invoice])
    order = kept[np.lexsort((invoice[kept], action[kept]))]
    return action[order], invoice[order]


def _outcomes(
    prepared: Prepared, invoice: Rows, day: Days, as_of: int, horizon_days: int, unpaid_days: int
) -> dict[str, Floats]:
    settlement = prepared.settlement
    waited = np.clip(settlement.settled_day[invoice] - day, 0, horizon_days).astype(np.float64)
    end = (day + horizon_days).astype(np.int32)
    default = (settlement.due_day[invoice] + unpaid_days).astype(np.int32)
    told = labels.is_matured(default, cut_off=as_of) & (default >= day)
    return {
        DAYS: np.where(labels.is_matured(end, cut_off=as_of), waited, np.nan),
        UNPAID: np.where(told, labels.still_open(settlement, invoice, default), np.nan),
    }


def _open_cents(prepared: Prepared, invoice: Rows, day: Days) -> npt.NDArray[np.int64]:
    """What was open on each invoice before its day."""
    moved = prepared.settlement.movements
    # movements come by invoice and then by the day they were known: one search finds the last
    order = moved.invoice * (1 << 21) + moved.known_day
    last = np.searchsorted(order, invoice * (1 << 21) + day) - 1
    mine = (last >= 0) & (np.append(moved.invoice, -1)[last] == invoice)
    amount = prepared.settlement.amount_cents[invoice]
    left: npt.NDArray[np.int64] = np.where(mine, np.append(moved.open_cents, 0)[last], amount)
    return left


def _said(scored: pa.Table | None, ids: pa.Array, day: Days) -> dict[str, pa.Array]:
    """What was said of each invoice on its day, null where nothing is kept."""
    names = ("features_hash", "p_late_30", "p_unpaid_180", "cause")
    if scored is None:
        return {name: pa.nulls(len(ids), SCORED_SCHEMA.field(name).type) for name in names}
    row = rows_of(_keys(ids, day), among=_keys(scored["invoice_id"], days(scored["as_of"])))
    at = pa.array(row, mask=row < 0)
    return {name: scored[name].combine_chunks().take(at) for name in names}


def _keys(ids: pa.Array | pa.ChunkedArray, day: Days) -> pa.Array:
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    return pc.binary_join_element_wise(whole, pa.array(day).cast(pa.string()), "\n")


def _causes(known: dict[str, Floats], day: Days) -> Sequence[str]:
    return causes.cause_hint(known, signals.detect(known, as_of=day)).codes


def _words(column: pa.ChunkedArray) -> npt.NDArray[np.str_]:
    return np.array(column.fill_null("").to_pylist(), dtype=np.str_)
