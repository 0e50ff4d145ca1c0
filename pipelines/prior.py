"""The shared prior: a model that names nobody, for companies that have none of their own yet.

It holds what was learned of invoices at large: trees, medians, and how fast invoices in general are
paid. Of the company that it was learned from it holds no group, no row and no extreme value, and no
customer: whoever is asked about is known by the rows of the company that asks.
"""

import re
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from models import bundle, cohorts
from models.bundle import CARD, LOOKED_AT, SHARED_PRIOR, Bundle, BundleRefused
from models.late_payment import LatePaymentModel
from pipelines.features import peer_table
from pipelines.settings import Settings

ANSWERS = "no model of this company's own was promoted yet: the shared prior answers"
# What training notes and a prior keeps: what it knows of each feature, not of the portfolio.
KEPT_FACTS = frozenset({"cut_off", "feature_book", "inputs", "parameters"})
_RANGES = re.compile(r"^feature_infos=.*$", re.MULTILINE)  # LightGBM notes each least and largest
_NO_RANGE = "[-inf:inf]"


def answering(settings: Settings) -> Path:
    """The folder whose champion answers: the company's own models, before any was promoted the
    shared prior.
    """
    own = settings.models_folder
    if settings.prior_models is None or bundle.champion_version(own) is not None:
        return own
    return settings.prior_models


def champion(settings: Settings) -> Bundle | None:
    """The model that answers, None without any; BundleRefused for a prior that names somebody."""
    folder = answering(settings)
    found = bundle.champion(folder)
    if found is not None and folder == settings.prior_models:
        require_nameless(found)
    return found


def folder_of(settings: Settings, model: Bundle) -> Path:
    """The folder of the bundle that answers: among the company's own, or the shared prior's."""
    own = settings.models_folder / model.version
    if settings.prior_models is None or own.is_dir():
        return own
    return settings.prior_models / model.version


def nameless(model: LatePaymentModel) -> LatePaymentModel:
    """What of a model may be shared; it has no golden rows, which were somebody's invoices."""
    everybody = model.cohorts.names.index(cohorts.EVERYBODY)
    return replace(
        model,
        tree_text=_RANGES.sub(_without_range, model.tree_text),
        cohorts=replace(
            model.cohorts,
            names=(cohorts.EVERYBODY,),
            hazards=model.cohorts.hazards[:, [everybody]],
        ),
        peers=model.peers.filter(pc.equal(model.peers["kind"], peer_table.EVERYBODY)),
        facts={name: value for name, value in model.facts.items() if name in KEPT_FACTS},
        golden=None,
    )


def require_nameless(found: Bundle) -> None:
    """Raises BundleRefused, naming the part, where a bundle holds more than a prior may."""
    model, files = found.model, found.manifest.files
    parts = {
        "manifest.json": found.source == SHARED_PRIOR,
        CARD: CARD not in files,
        LOOKED_AT: LOOKED_AT not in files,
        "cohorts.parquet": model.cohorts.names == (cohorts.EVERYBODY,),
        "peers.parquet": set(model.peers["kind"].to_pylist()) <= {peer_table.EVERYBODY},
        "model.txt": all(
            _without_range(each) == each[0] for each in _RANGES.finditer(model.tree_text)
        ),
        "model.json": model.facts.keys() <= KEPT_FACTS,
    }
    for part, is_nameless in parts.items():
        if not is_nameless:
            raise BundleRefused(
                part,
                "a company's own model is never another's: `puntuale tenants prior` makes one that "
                "names nobody",
            )


def _without_range(line: re.Match[str]) -> str:
    """The line of as many features, without the least and the largest value of each."""
    return f"feature_infos={' '.join(_NO_RANGE for _ in line[0].split(' '))}"
