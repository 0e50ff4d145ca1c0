"""Every warning: its rule as `models/signals.toml` has it, and what it says in both languages."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import models
from docs.made.markdown import code, table
from models.signals import SEVERITIES
from models.wording import LANGUAGES

RULES = Path(models.__file__).with_name("signals.toml")


def markdown() -> str:
    """A section for each warning, in the order in which the product knows them."""
    rules = tomllib.loads(RULES.read_text(encoding="utf-8"))
    return "\n".join(_section(name, rule) for name, rule in rules.items())


def _section(name: str, rule: dict[str, Any]) -> str:
    measure, when = rule["measure"], rule.get("when", [])
    rows = [
        ("begins where", _claims([f"{measure} >= {rule['low']}", *when])),
        (
            "goes on while",
            _claims([f"{measure} >= {rule.get('leave', rule['low'])}", *rule.get("stay", when)]),
        ),
        *((f"{severity} from", code(rule[severity])) for severity in SEVERITIES),
        ("shown as `before`", code(rule["before"])),
        ("shown as `now`", code(rule["now"])),
        *((f"said ({language})", rule[language]) for language in LANGUAGES),
    ]
    return f"## {name}\n\n{table(('', ''), rows)}"


def _claims(claims: Iterable[str]) -> str:
    return " and ".join(code(claim) for claim in claims)
