"""Every action of the shipped catalogue: when it may be done, what it takes and what it may do."""

from typing import Any

from docs.made.markdown import code, table
from models import catalogue_page
from models.policy import default_policy


def markdown() -> str:
    """All actions in one table, then what each needs, costs and changes."""
    english, italian = (
        catalogue_page.described(default_policy(), language=language)["actions"]
        for language in ("en", "it")
    )
    rows = [
        (
            f"[`{here['code']}`](#{here['code']})",
            here["name"],
            there["name"],
            catalogue_page.window(here),
            here["channel"],
            f"{here['cost_eur']:.2f}",
            f"{here['minutes']:g}",
        )
        for here, there in zip(english, italian, strict=True)
    ]
    head = ("code", "English", "Italian", "days from due", "channel", "EUR", "minutes")
    return table(head, rows) + "\n" + "\n".join(_section(action) for action in english)


def _section(action: dict[str, Any]) -> str:
    facts = [
        ("does", action["name"]),
        ("after", code(action["after"])),
        ("again after", _days(action["every_days"])),
        ("is about", f"what is {action['amount']}"),
        ("needs", _listed(action["needs"])),
        ("needs one of", _listed(action["needs_any"])),
        ("blocked by", _listed(action["blocked_by"])),
        ("claims", code(action["claims"])),
        ("gives up", f"{action['concession_share']:.0%}" if action["concession_share"] else ""),
        ("fee on what is paid", f"{action['success_fee']:.0%}" if action["success_fee"] else ""),
        ("relationship, EUR", f"{action['relationship_eur']:g}"),
        ("a promise or dispute stops it", "yes" if action["dunning"] else "no"),
        ("harms the customer", "yes: for a person only proposed" if action["adverse"] else "no"),
        ("rests on", action["legal_basis"]),
    ]
    effects = [
        (
            "any other" if effect["cause"] == "unknown" else effect["cause"],
            _interval(effect["days"]),
            _interval(effect["unpaid"]),
        )
        for effect in action["effects"]
        if effect["segment"] is None
    ]
    return (
        f"## {action['code']}\n\n"
        + table(("", ""), [fact for fact in facts if fact[1]])
        + "\n"
        + table(("cause", "days sooner", "share of the risk taken away"), effects)
    )


def _days(days: int | None) -> str:
    return "" if days is None else f"{days} days"


def _listed(words: list[str]) -> str:
    return ", ".join(code(word) for word in words)


def _interval(effect: list[float]) -> str:
    expected, lowest, highest = effect
    return f"{expected:g} ({lowest:g} to {highest:g})"
