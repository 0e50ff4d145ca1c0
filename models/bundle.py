"""A model at rest: its files and a manifest with their hashes, checked before anything is parsed.

A bundle is a folder of text trees, JSON and Parquet; loading it needs neither MLflow nor LightGBM
and executes nothing. A damaged LightGBM file can kill the process that parses it or bend its
probabilities in silence, so the hashes come first, then the parse, then the golden rows.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import durable

if TYPE_CHECKING:
    from models.late_payment import LatePaymentModel

FORMAT = 1
MANIFEST = "manifest.json"
# These tell of the model; which model it is, the other files decide.
CARD = "card.md"
LOOKED_AT = "looked_at.json"
MODEL_SOURCE = "model_source"  # the fact that says whose model it is
OWN, SHARED_PRIOR = "own", "shared_prior"
CHAMPION = "CHAMPION"  # names the bundle that answers, among the bundles of a folder
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class BundleRefused(ValueError):  # noqa: N818 - the name says what happened
    """A bundle that must not answer; `file` is the one at fault."""

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"model bundle refused, {file}: {why}")
        self.file = file


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself."""

    version: str
    created_at: str
    files: Mapping[str, str]  # name -> sha256
    facts: Mapping[str, Any]  # what training wants to tell: fingerprints, metrics, cut-off

    def text(self) -> str:
        fields = {
            "format": FORMAT,
            "version": self.version,
            "created_at": self.created_at,
            "files": dict(self.files),
            "facts": dict(self.facts),
        }
        return json.dumps(fields, indent=2, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def of(cls, text: bytes) -> "Manifest":
        try:
            fields = json.loads(text)
            if fields["format"] != FORMAT:
                raise BundleRefused(
                    MANIFEST, f"format must be {FORMAT}, got: {str(fields['format'])[:20]}"
                )
            files = {_plain(name): str(digest) for name, digest in fields["files"].items()}
            version = _plain(fields["version"])
            return cls(version, str(fields["created_at"]), files, dict(fields["facts"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            if isinstance(fault, BundleRefused):
                raise
            raise BundleRefused(MANIFEST, f"cannot be read ({type(fault).__name__})") from None


@dataclass(frozen=True)
class Bundle:
    """A model that may answer, the version it answers under and its manifest."""

    model: "LatePaymentModel"
    version: str
    manifest: Manifest

    @property
    def source(self) -> str:
        """The company's own, or the prior that is shared by those that have none yet."""
        return str(self.manifest.facts.get(MODEL_SOURCE, OWN))


def version_of(model_folder: Path, *, cut: str) -> str:
    """The name of a model: the day that ends its training data, and the hash of its files."""
    digests = [f"{name} {digest}" for name, digest in sorted(_digests(model_folder).items())]
    return f"{cut}-{hashlib.sha256(chr(10).join(digests).encode()).hexdigest()[:10]}"


def export(
    model_folder: Path,
    *,
    to: Path,
    version: str,
    created_at: str,
    facts: Mapping[str, Any] | None = None,
) -> Manifest:
    """Make a bundle of the files of `LatePaymentModel.save`; `to` must not exist yet."""
    manifest = Manifest(_plain(version), created_at, _digests(model_folder), dict(facts or {}))

    with durable.folder(to) as aside:
        for name in manifest.files:
            shutil.copyfile(model_folder / name, aside / name)
        (aside / MANIFEST).write_text(manifest.text(), encoding="utf-8")
    return manifest


def check(folder: Path) -> Manifest:
    """The manifest of a bundle whose files are all there, all unchanged, and the only ones.

    Raises BundleRefused naming the first file that is not as the manifest says.
    """
    present = _names(folder)
    if MANIFEST not in present:
        raise BundleRefused(MANIFEST, f"is missing from {folder}")
    manifest = Manifest.of((folder / MANIFEST).read_bytes())

    for name in sorted(present - manifest.files.keys() - {MANIFEST}):
        raise BundleRefused(name, "is not in the manifest; a bundle holds no other file")
    for name, expected in sorted(manifest.files.items()):
        if name not in present:
            raise BundleRefused(name, "is in the manifest and missing from the folder")
        if (got := _sha256(folder / name)) != expected:
            raise BundleRefused(name, f"sha256 must be {expected[:12]}…, got: {got[:12]}…")
    return manifest


def load(folder: Path) -> Bundle:
    """The model of a bundle, checked before it is parsed and asked its golden rows after."""
    manifest = check(folder)
    try:
        model = _parse(folder)
        model.check_golden()
    except (ValueError, KeyError, OSError) as fault:
        raise BundleRefused(getattr(fault, "file", folder.name), str(fault)) from fault
    return Bundle(model, manifest.version, manifest)


def install(folder: Path, *, among: Path) -> str:
    """Copy a checked bundle into a folder of bundles, under its version; being there is fine."""
    manifest = check(folder)
    target = among / manifest.version
    if target.exists():
        if _of_model(check(target)) != _of_model(manifest):
            raise BundleRefused(manifest.version, f"another model has this version in {among}")
        return manifest.version

    with durable.folder(target) as aside:
        for name in (*manifest.files, MANIFEST):
            shutil.copyfile(folder / name, aside / name)
    return manifest.version


def card(folder: Path) -> str | None:
    """What a checked bundle's card says, None for a bundle made before there were cards."""
    return _told(folder, CARD)


def looked_at(folder: Path) -> str | None:
    """What a checked bundle keeps to be drawn, None for one made before anything was kept."""
    return _told(folder, LOOKED_AT)


def crown(version: str, *, among: Path) -> None:
    """From now on the bundle of this version answers."""
    check(among / _plain(version))
    durable.write(among / CHAMPION, f"{version}\n".encode())


def champion_version(among: Path) -> str | None:
    """The version that answers, None where no model was promoted yet."""
    try:
        return _plain((among / CHAMPION).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None


def champion(among: Path) -> Bundle | None:
    """The bundle that answers, None where no model was promoted yet."""
    version = champion_version(among)
    return None if version is None else load(among / version)


def _parse(folder: Path) -> "LatePaymentModel":
    # the parser of trees compiles its kernels: whoever only moves bundles does not wait for it
    from models.late_payment import LatePaymentModel

    return LatePaymentModel.load(folder)


def _plain(name: object) -> str:
    """A name that stays inside its folder."""
    if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
        raise BundleRefused(
            MANIFEST, f"names must be letters, digits, '.', '_' and '-', got: {str(name)[:40]!r}"
        )
    return name


def _names(folder: Path) -> set[str]:
    """The names in a folder, which must all be plain files."""
    if not folder.is_dir():
        raise BundleRefused(folder.name, f"there is no such folder: {folder}")
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            raise BundleRefused(path.name, "must be a plain file")
    return {path.name for path in folder.iterdir()}


def _told(folder: Path, name: str) -> str | None:
    if name not in check(folder).files:
        return None
    return (folder / name).read_text(encoding="utf-8")


def _of_model(manifest: Manifest) -> dict[str, str]:
    """The hashes of the files that answer."""
    telling = (CARD, LOOKED_AT)
    return {name: digest for name, digest in manifest.files.items() if name not in telling}


def _digests(folder: Path) -> dict[str, str]:
    return {_plain(name): _sha256(folder / name) for name in sorted(_names(folder) - {MANIFEST})}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
