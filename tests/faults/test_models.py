"""Bundles that are damaged, or whole and wrong: none is parsed, crashes or bends an answer."""

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import thorough

from models import bundle, late_payment
from models.bundle import BundleRefused
from models.late_payment import LatePaymentModel
from models.trees import ModelFileError, parse
from tests.trained import Trained


@pytest.fixture
def good(tmp_path: Path, trained: Trained) -> Path:
    """A bundle whose trees have a say."""
    files = tmp_path / "saved"
    files.mkdir()
    trained.model.save(files)
    bundle.export(files, to=tmp_path / "bundle", version="good", created_at="2026-07-01")
    return tmp_path / "bundle"


def damage(content: bytes, dice: random.Random) -> bytes:
    """Cut, a page of zeros, one bit, one digit: what killed or bent LightGBM's own parser."""
    at = dice.randrange(len(content))
    kind = dice.randrange(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        return content[:at] + bytes(min(4096, len(content) - at)) + content[at + 4096 :]
    if kind == 2:
        return content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]
    digits = [m.start() for m in re.finditer(rb"\d", content[at:])] or [0]
    at += digits[0]
    return content[:at] + b"%d" % ((content[at] + 1) % 10) + content[at + 1 :]


def test_f13_no_damage_to_a_real_bundle_reaches_the_parser_and_none_bends_an_answer(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    monkeypatch.setattr(bundle, "_parse", parsed.append)
    dice = random.Random(13)
    for _ in range(thorough.often(100, thorough=300)):
        path = dice.choice([p for p in sorted(good.iterdir()) if p.name != bundle.MANIFEST])
        whole = path.read_bytes()
        damaged = damage(whole, dice)
        path.write_bytes(damaged)
        if damaged != whole:
            with pytest.raises(BundleRefused) as refused:
                bundle.load(good)
            assert refused.value.file == path.name
        path.write_bytes(whole)
    assert parsed == []


def test_f13_the_parser_of_trees_survives_what_kills_lightgbms_own(good: Path) -> None:
    # so no throw-away process is needed: were a damaged text ever parsed, this is Python and
    # raises; what it lets through is well-formed trees, and golden rows judge those
    whole = (good / "model.txt").read_bytes()
    dice = random.Random(14)
    for _ in range(thorough.often(60, thorough=300)):
        damaged = damage(whole, dice)
        try:
            parse(damaged.decode("utf-8", "replace"))
        except (ModelFileError, ValueError):
            continue


def otherwise(good: Path, to: Path, change: Callable[[str], str]) -> Path:
    """A whole bundle, its hashes right, whose trees say something else."""
    files = to / "files"
    shutil.copytree(good, files)
    (files / bundle.MANIFEST).unlink()
    text = (files / "model.txt").read_text()
    changed = change(text)
    assert changed != text
    (files / "model.txt").write_text(changed)
    bundle.export(files, to=to / "crafted", version="crafted", created_at="2026-07-01")
    return to / "crafted"


def leaves(value: Callable[[float], float | str]) -> Callable[[str], str]:
    def change(text: str) -> str:
        def line(found: re.Match[str]) -> str:
            return "leaf_value=" + " ".join(str(value(float(v))) for v in found[1].split())

        return re.sub(r"leaf_value=(.+)", line, text)

    return change


def no_trees(text: str) -> str:
    head, _, _ = text.partition("\nTree=")
    _, _, end = text.partition("\nend of trees")
    return re.sub(r"tree_sizes=.*", "tree_sizes=", head) + "\nend of trees" + end


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (no_trees, "golden|at least"),
        (leaves(lambda value: 0.0), "golden rows must agree"),
        (leaves(lambda value: "nan"), "must not be NaN"),
        (leaves(lambda value: -value), "golden rows must agree"),
    ],
    ids=["0 trees", "constant output", "NaN leaves", "other class order"],
)
def test_f14_a_crafted_bundle_is_refused_by_the_golden_rows_or_the_parser(
    good: Path, tmp_path: Path, change: Callable[[str], str], told: str
) -> None:
    crafted = otherwise(good, tmp_path / "other", change)
    bundle.check(crafted)  # by its hashes alone it is whole

    with pytest.raises(BundleRefused, match=told):
        bundle.load(crafted)


def test_a_bundle_that_is_whole_answers(good: Path) -> None:
    assert isinstance(bundle.load(good).model, LatePaymentModel)
    assert late_payment.GOLDEN_TOLERANCE <= 1e-9
