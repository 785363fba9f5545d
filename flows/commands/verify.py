"""`botify-export verify`: prove published files against their manifests again. Asks nobody."""

import argparse
import sys

from pydantic import BaseModel, ConfigDict
from upath import UPath

from flows.commands.printing import print_json
from tasks.delivery.manifest import MANIFEST, manifests_below, problems
from tasks.exports.errors import ExportUnknown, PublishedFilesDamaged
from tasks.exports.places import Location
from tasks.exports.settings import Settings
from tasks.files.reached import is_there, reached


class Verified(BaseModel):
    """What `verify --json` prints: the folders that hold, and what does not, in words."""

    model_config = ConfigDict(frozen=True)

    intact: tuple[Location, ...]
    problems: tuple[str, ...]


def verify(options: argparse.Namespace) -> None:
    """Read every byte of the folders named, or of all published ones. Raises PublishedFilesDamaged, ExportUnknown."""
    data_dir = Settings.load(options.output_dir).places.data_dir
    folders = [_folder(UPath(path)) for path in options.paths] or _published(data_dir)
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


def _folder(path: UPath) -> UPath:
    """Accept the folder, its manifest, or a file in it."""
    with reached(path):
        folder = path if path.is_dir() else path.parent
    if not is_there(folder / MANIFEST):
        raise ExportUnknown(f"{path} is no published export: there is no {MANIFEST} in {folder}.")
    return folder.resolve()


def _published(data_dir: UPath) -> list[UPath]:
    found = manifests_below(data_dir, "*/*/*/*")
    if not found:
        raise ExportUnknown(f"Nothing is published in {data_dir}.")
    return [path.parent for path in found]
