"""`puntuale actions`: the effective catalogue, ours with the company's own file over it."""

from typing import Annotated, Any

import typer


def actions(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for a program.")] = False,
) -> None:
    """List what may be done about an open invoice: when, at what cost, to what effect."""
    from models import catalogue_page
    from pipelines import policies
    from pipelines.settings import Settings
    from serving import terminal

    settings = Settings()
    told = catalogue_page.described(policies.in_force(settings), language=settings.language)
    if as_json:
        terminal.as_json(told)
        return
    terminal.table("Actions", [_row(action) for action in told["actions"]], elastic="name")
    for channel, limit in told["capacity"].items():
        amount = "no limit" if limit["amount"] is None else f"{limit['amount']:g} {limit['of']}"
        terminal.say(f"a day of {channel}: {amount}")
    terminal.say(f"quiet days after a contact: {told['economics']['quiet_days']}")
    trial = told["trial"]
    terminal.say(f"left alone: {terminal.percent(trial['holdout_share'])} of the customers")
    terminal.say(f"tried out each day: {terminal.percent(trial['exploration_share'])}")
    source = settings.catalogue or "the catalogue that comes with Puntuale"
    terminal.say(f"\nPolicy {told['policy_version']}; {source}. All of it: puntuale actions --json")


def _row(action: dict[str, Any]) -> dict[str, object]:
    """One action in a line; its effect is that for a cause that is not known."""
    from models import catalogue_page

    effect = next(e for e in action["effects"] if e["cause"] == "unknown" and not e["segment"])
    expected, lowest, highest = effect["days"]
    return {
        "code": action["code"],
        "name": action["name"] if action["enabled"] else f"({action['name']}: not enabled)",
        "when": catalogue_page.window(action),
        "channel": action["channel"],
        "EUR": f"{action['cost_eur']:.2f}",
        "minutes": f"{action['minutes']:g}",
        "days sooner": f"{expected:g} ({lowest:g} to {highest:g})",
        "known from": effect["source"],
    }
