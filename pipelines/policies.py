"""The policy in force: what an installation's settings and its log of actions make of it."""

from models.catalogue import Catalogue
from models.effect_table import EffectTable
from models.holdout import Trial
from models.policy import Policy
from pipelines.settings import Settings


def in_force(settings: Settings) -> Policy:
    """The policy of the batch, of the service and of the command line alike."""
    return Policy(
        catalogue=Catalogue.load(settings.catalogue),
        effects=EffectTable.load(settings.effects_file),
        trial=Trial(settings.holdout_share, settings.exploration_share, settings.trial_salt),
    )
