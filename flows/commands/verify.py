"""`botify-export verify`: prove published files against their manifests again. Asks nobody."""

import argparse
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from flows.commands.printing import print_json
from tasks.delivery.manifest import MANIFEST, problems
from tasks.exports.errors import ExportUnknown, PublishedFilesDamaged
from tasks.exports.places import INTERNAL
from tasks.exports.settings import Settings


class Verified(BaseModel):
    """What `verify --json` prints: the folders that hold, and what does not, in words."""

    model_config = ConfigDict(frozen=True)

    intact: tuple[Path, ...]
    problems: tuple[str, ...]


def verify(options: argparse.Namespace) -> None:
    """Read every byte of the folders named, or of all published ones. Raises PublishedFilesDamaged, ExportUnknown."""
    data_dir = Settings.load(options.output_dir).data_dir
    folders = [_folder(path) for path in options.paths] or _published(data_dir)
    found = {folder: problems(folder) for folder in folders}
    verified = Verified(
        intact=tuple(folder for folder, wrong in found.items() if not wrong),
        problems=tuple(problem for wrong in found.values() for problem in wrong),
    )
    if options.json:
        print_json(verified)
    else:
        print("\n".join(f"{folder}: every byte holds" for folder in verified.intact) or f"Nothing in {data_dir} holds.")
    if verified.problems:
        print(*verified.problems, sep="\n", file=sys.stderr)
        raise PublishedFilesDamaged(f"{len(verified.problems)} of the published files do not hold.")


def _folder(path: Path) -> Path:
    """Accept the folder, its manifest, or a file in it."""
    folder = path if path.is_dir() else path.parent
    if not (folder / MANIFEST).exists():
        raise ExportUnknown(f"{path} is no published export: there is no {MANIFEST} in {folder}.")
    return folder.resolve()


def _published(data_dir: Path) -> list[Path]:
    folders = (path.parent for path in sorted(data_dir.glob(f"*/*/*/*/{MANIFEST}")))
    found = [folder for folder in folders if INTERNAL not in folder.parts and ".replaced-" not in folder.name]
    if not found:
        raise ExportUnknown(f"Nothing is published in {data_dir}.")
    return found
