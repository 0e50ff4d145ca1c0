import json
import random
from pathlib import Path

import pytest

from models import bundle
from models.bundle import BundleRefused


class FakeModel:
    """Says the words of its file, and wants them to be what they were."""

    parsed = 0

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def load(cls, folder: Path) -> "FakeModel":
        cls.parsed += 1
        return cls((folder / "model.txt").read_text())

    def check_golden(self) -> None:
        if "golden" not in self.text:
            raise ValueError("golden row 0 must be 0.25, got: 0.75")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(FakeModel, "parsed", 0)
    monkeypatch.setattr(bundle, "_parse", FakeModel.load)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "model.txt").write_text("tree\ngolden\n" * 50)
    (folder / "model.json").write_text('{"weight": 0.5}')
    (folder / "peers.parquet").write_bytes(bytes(range(256)))
    return folder


@pytest.fixture
def exported(files: Path, tmp_path: Path) -> Path:
    to = tmp_path / "bundle"
    bundle.export(files, to=to, version="v1", created_at="2026-07-01", facts={"cut": "2026-06-30"})
    return to


def test_a_bundle_comes_back_as_it_was_exported(exported: Path) -> None:
    loaded = bundle.load(exported)

    assert loaded.version == "v1"
    assert loaded.manifest.facts == {"cut": "2026-06-30"}
    assert sorted(loaded.manifest.files) == ["model.json", "model.txt", "peers.parquet"]


def test_the_same_files_export_to_the_same_bytes(files: Path, exported: Path) -> None:
    again = exported.with_name("again")
    bundle.export(
        files, to=again, version="v1", created_at="2026-07-01", facts={"cut": "2026-06-30"}
    )

    assert {p.name: p.read_bytes() for p in again.iterdir()} == {
        p.name: p.read_bytes() for p in exported.iterdir()
    }


def test_the_version_is_that_of_the_files(files: Path) -> None:
    version = bundle.version_of(files, cut="2026-06-30")
    assert version.startswith("2026-06-30-")
    assert bundle.version_of(files, cut="2026-06-30") == version

    (files / "model.txt").write_text("another")
    assert bundle.version_of(files, cut="2026-06-30") != version


@pytest.mark.parametrize("name", ["model.txt", "model.json", "peers.parquet"])
def test_a_missing_file_is_refused_by_name(exported: Path, name: str) -> None:
    (exported / name).unlink()

    with pytest.raises(BundleRefused, match="missing") as refused:
        bundle.load(exported)
    assert refused.value.file == name


def test_a_file_that_is_not_in_the_manifest_is_refused_by_name(exported: Path) -> None:
    (exported / "hook.py").write_text("print('hello')")

    with pytest.raises(BundleRefused, match="no other file") as refused:
        bundle.load(exported)
    assert refused.value.file == "hook.py"


def test_f13_no_truncated_flipped_or_swapped_file_is_ever_parsed(exported: Path) -> None:
    dice = random.Random(13)
    whole = {p.name: p.read_bytes() for p in exported.iterdir()}

    for _ in range(200):
        name = dice.choice(sorted(whole))
        damaged = bytearray(whole[name])
        at = dice.randrange(len(damaged))
        if dice.random() < 0.5:
            damaged[at] ^= 1 << dice.randrange(8)
        else:
            del damaged[at:]
        (exported / name).write_bytes(damaged)
        try:
            text_of_manifest = bundle.check(exported).text().encode()
        except BundleRefused:
            pass
        else:  # only a manifest's own words can change unseen: never the files, never their hashes
            assert name == bundle.MANIFEST
            assert json.loads(text_of_manifest)["files"] == json.loads(whole[name])["files"]
        (exported / name).write_bytes(whole[name])

    one, other = exported / "model.txt", exported / "model.json"
    one.write_bytes(whole["model.json"])
    other.write_bytes(whole["model.txt"])
    with pytest.raises(BundleRefused):
        bundle.load(exported)
    assert FakeModel.parsed == 0


def test_f14_a_model_whose_golden_rows_differ_is_refused(files: Path, tmp_path: Path) -> None:
    (files / "model.txt").write_text("trees that answer otherwise")
    bundle.export(files, to=tmp_path / "bad", version="v2", created_at="2026-07-01")

    with pytest.raises(BundleRefused, match="golden row 0"):
        bundle.load(tmp_path / "bad")


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"format": 2}',
        "[" * 5000,
        '{"format": 1, "version": "v1", "created_at": "", "facts": {}, "files": []}',
        '{"format": 1, "version": "v1", "created_at": "", "facts": {}, "files": {"../x": ""}}',
        '{"format": 1, "version": "../x", "created_at": "", "facts": {}, "files": {}}',
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(exported: Path, manifest: str) -> None:
    (exported / bundle.MANIFEST).write_text(manifest)

    with pytest.raises(BundleRefused, match=r"manifest\.json"):
        bundle.check(exported)


def test_a_link_or_a_folder_inside_is_refused(exported: Path) -> None:
    (exported / "link").symlink_to("/etc/hostname")

    with pytest.raises(BundleRefused, match="plain file"):
        bundle.check(exported)


@pytest.mark.parametrize("version", ["../x", "", "x" * 300, ".hidden", "a/b"])
def test_b94_a_version_that_is_no_plain_name_is_refused(
    files: Path, tmp_path: Path, version: str
) -> None:
    with pytest.raises(BundleRefused, match="names must be"):
        bundle.export(files, to=tmp_path / "to", version=version, created_at="2026-07-01")


def test_the_champion_is_the_crowned_one_and_going_back_is_crowning_the_other(
    files: Path, exported: Path, tmp_path: Path
) -> None:
    among = tmp_path / "models"
    assert bundle.champion(among) is None

    (files / "model.txt").write_text("golden, newer")
    bundle.export(files, to=tmp_path / "newer", version="v2", created_at="2026-08-01")
    for folder in (exported, tmp_path / "newer"):
        bundle.crown(bundle.install(folder, among=among), among=among)
    assert bundle.champion_version(among) == "v2"

    bundle.crown("v1", among=among)
    answering = bundle.champion(among)
    assert answering is not None
    assert answering.version == "v1"


def test_installing_twice_changes_nothing_and_another_model_cannot_take_the_name(
    files: Path, exported: Path, tmp_path: Path
) -> None:
    among = tmp_path / "models"
    bundle.install(exported, among=among)
    bundle.install(exported, among=among)
    assert [p.name for p in among.iterdir()] == ["v1"]

    (files / "model.txt").write_text("golden, but another")
    bundle.export(files, to=tmp_path / "other", version="v1", created_at="2026-07-01")
    with pytest.raises(BundleRefused, match="another model has this version"):
        bundle.install(tmp_path / "other", among=among)


def test_a_damaged_bundle_is_never_crowned(exported: Path, tmp_path: Path) -> None:
    among = tmp_path / "models"
    version = bundle.install(exported, among=among)
    (among / version / "model.txt").write_text("bent")

    with pytest.raises(BundleRefused):
        bundle.crown(version, among=among)
    assert bundle.champion_version(among) is None
