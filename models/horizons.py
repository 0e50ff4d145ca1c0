"""The lateness we predict: days past due, their column names and how far the curve reaches."""

HORIZONS_DAYS = (0, 30, 60, 90)
DEFAULT_HORIZON_DAYS = 180  # stands in for default: what is unpaid half a year late is seldom paid
ALL_HORIZONS_DAYS = (*HORIZONS_DAYS, DEFAULT_HORIZON_DAYS)


def column(horizon_days: int) -> str:
    """The name of the probability that an invoice is still open `horizon_days` after it is due."""
    if horizon_days == DEFAULT_HORIZON_DAYS:
        return f"p_unpaid_{horizon_days}"
    if horizon_days in HORIZONS_DAYS:
        return f"p_late_{horizon_days}"
    raise ValueError(f"horizon must be one of {ALL_HORIZONS_DAYS}, got: {horizon_days}")


PROBABILITY_COLUMNS = tuple(column(h) for h in ALL_HORIZONS_DAYS)
