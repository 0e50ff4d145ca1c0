"""Every setting, endpoint, command, feature, signal, action, KPI and metric is documented."""

import re
from pathlib import Path

import pytest

from docs.made import actions, commands, endpoints, glossary, kpis, mappings, metrics, settings
from docs.made import signals as signals_page
from models import signals
from models.policy import default_policy
from pipelines.features import BOOK
from pipelines.intake import mapping
from pipelines.settings import Settings
from serving.metrics import MEASURES
from serving.portfolio import Kpis
from tests.docs.shown import ROOT

NO_SAYING = ("", "–")


def rows(markdown: str) -> list[list[str]]:
    """The cells of every row of its tables."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def said(markdown: str, *, at: int) -> dict[str, str]:
    """What stands in a column beside each name in code that begins a row (of so many columns)."""
    return {
        name: cells[at]
        for cells in rows(markdown)
        if len(cells) > at
        for name in re.findall(r"`([^`]+)`", cells[0])
    }


def test_every_setting_has_its_default_and_a_meaning() -> None:
    told = said(settings.markdown(), at=2)
    assert sorted(told) == sorted(f"PUNTUALE_{name.upper()}" for name in Settings.model_fields)
    assert all(meaning.endswith(".") for meaning in told.values())
    defaults = said(settings.markdown(), at=1)
    assert defaults["PUNTUALE_LEDGER"] == "–"
    assert "`0.05`, at least 0, at most 1" in defaults["PUNTUALE_QUARANTINE_SHARE_MAX"]


def test_a_setting_that_the_example_forgets_is_not_documented(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shorter = tmp_path / ".env.example"
    shorter.write_text("# The folder.\n# PUNTUALE_HOME=.puntuale\n", encoding="utf-8")
    monkeypatch.setattr(settings, "EXAMPLE", shorter)
    assert set(said(settings.markdown(), at=2)) == {"PUNTUALE_HOME"}


def test_every_endpoint_has_its_section_parameters_and_problems() -> None:
    page = endpoints.markdown()
    sections = dict(re.findall(r"^### (\S+ \S+)\n((?:(?!^##).*\n?)*)", page, re.MULTILINE))
    paths = endpoints.document()["paths"]
    wanted = {f"{m.upper()} {path}": of for path, ms in paths.items() for m, of in ms.items()}
    assert set(sections) == set(wanted)
    for name, operation in wanted.items():
        for parameter in operation.get("parameters", ()):
            assert said(sections[name], at=3)[parameter["name"]] not in NO_SAYING, (name, parameter)
        statuses = [status for status in operation["responses"] if status != "default"]
        assert all(re.search(rf"\b{status}\b", sections[name]) for status in statuses), name
        assert "Needs " in sections[name]


def test_every_message_has_its_fields_each_with_a_meaning() -> None:
    page = endpoints.messages()
    schemas = endpoints.document()["components"]["schemas"]
    sections = dict(re.findall(r"^## (\S+)\n((?:(?!^## ).*\n?)*)", page, re.MULTILINE))
    assert set(sections) == set(schemas)
    for name, schema in schemas.items():
        told = said(sections[name], at=2)
        for field in schema.get("properties", ()):
            assert told[field] not in NO_SAYING, f"{name}.{field} has no meaning"


def test_every_command_and_option_has_a_meaning() -> None:
    page = commands.markdown()
    for words, command in commands.commands():
        section = page.partition(f"## {words}\n")[2].partition("\n## ")[0]
        assert section.strip(), words
        told = said(section, at=2)
        for parameter in command.params:
            name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name
            shown = told.get(name, told.get(name.upper()))
            assert shown not in (None, *NO_SAYING, "."), f"{words} {name}"


def test_every_feature_is_in_the_book_s_page() -> None:
    told = said((ROOT / "docs" / "features.md").read_text(encoding="utf-8"), at=5)
    assert set(BOOK) <= set(told)


def test_every_signal_has_its_rule_and_its_words() -> None:
    page = signals_page.markdown()
    for rule in signals.default_rules():
        section = page.partition(f"## {rule.code}\n")[2].partition("\n## ")[0]
        assert f"`{rule.measure.name}" in section or f"`-{rule.measure.name}" in section
        assert rule.it in section
        assert rule.en in section


def test_every_action_has_its_line_and_its_section() -> None:
    page = actions.markdown()
    told = said(page, at=2)
    for action in default_policy().catalogue.actions:
        assert told[action.code] == action.it
        assert f"\n## {action.code}\n" in page
        if action.legal_basis:
            assert action.legal_basis in page


def test_every_kpi_is_named_with_a_meaning() -> None:
    told = said(kpis.markdown(), at=3)
    assert set(Kpis.model_fields) <= set(told)
    assert all(meaning not in NO_SAYING for meaning in told.values())


def test_every_metric_is_named_with_a_meaning() -> None:
    told = said(metrics.markdown(), at=3)
    assert set(MEASURES) <= set(told)
    assert all(meaning.endswith(".") for meaning in told.values())


def test_every_shipped_mapping_and_its_columns_are_there() -> None:
    page = mappings.markdown()
    for name in mapping.shipped():
        section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        for part in mapping.load(name).parts:
            assert f"`{part.file}`" in section
            assert all(f"`{column}`" in section for column in part.columns)


def test_the_glossary_says_every_word_in_both_languages() -> None:
    told = rows(glossary.markdown())
    assert len(told) > 80
    assert [cells for cells in told if "" in cells[1:]] == []
