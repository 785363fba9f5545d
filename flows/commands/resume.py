"""`botify-export resume`: carry every unfinished export to its end."""

import argparse
import sys
from functools import partial

from pydantic import BaseModel, ConfigDict

from flows.commands.printing import print_json
from flows.commands.run import summary
from flows.resume_export import resume_export
from flows.running import run_flows
from tasks.delivery.manifest import MANIFEST
from tasks.exports.errors import ExportError
from tasks.exports.outcome import Outcome
from tasks.exports.places import Places
from tasks.exports.settings import Settings
from tasks.files.reached import is_there
from tasks.ledger.ledger import Ledger
from tasks.ledger.record import ExportRecord, State
from tasks.ledger.sites import SiteLedger, SiteRecord


class Resumed(BaseModel):
    """What `resume --json` prints: what was delivered, and what was not, by name."""

    model_config = ConfigDict(frozen=True)

    exports: tuple[Outcome, ...]
    failed: dict[str, str]


def resume(options: argparse.Namespace) -> None:
    """Finish the exports named, or all that are unfinished; one that fails does not stop the others.

    Raises the first ExportError, after all were tried.
    """
    settings = Settings.load(options.output_dir).with_token()
    places = settings.places
    ledger = Ledger.in_folder(places.data_dir)
    sites = SiteLedger.in_folder(places.data_dir)
    known = [sites.named(name) or ledger.named(name) for name in options.names]
    names = [record.request.fingerprint for record in known or _unfinished(places, ledger, sites)]
    output_dir = str(options.output_dir or "")
    ended = dict(zip(names, run_flows([partial(resume_export, name, output_dir) for name in names]), strict=True))
    outcomes = tuple(outcome for outcome in ended.values() if isinstance(outcome, Outcome))
    failures = {name: error for name, error in ended.items() if isinstance(error, ExportError)}
    if options.json:
        print_json(Resumed(exports=outcomes, failed={name: str(error) for name, error in failures.items()}))
    else:
        print("\n".join(summary(outcome) for outcome in outcomes) or "No unfinished export was brought to its end.")
    for name, error in list(failures.items())[1:]:
        print(f"{name}: {error}", file=sys.stderr)
    if failures:
        raise next(iter(failures.values()))


def _unfinished(places: Places, ledger: Ledger, sites: SiteLedger) -> list[SiteRecord | ExportRecord]:
    """Return what is not at its end, whole sites first; they bring their slices along.

    What is unfinished of a published site's slice is an export by itself that came later.
    """
    wholes = [site for site in sites.all() if isinstance(site, SiteRecord)]
    slices = {each.fingerprint for site in wholes if not site.is_published for each in site.slices}
    alone = [
        record
        for record in ledger.all()
        if isinstance(record, ExportRecord) and (record.fingerprint not in slices or record.state is State.PUBLISHED)
    ]
    unfinished_sites = [site for site in wholes if not site.is_published or _files_are_missing(site, places)]
    unfinished = [
        record
        for record in alone
        if record.state.is_unfinished or (record.state is State.PUBLISHED and _files_are_missing(record, places))
    ]
    return [*unfinished_sites, *unfinished]


def _files_are_missing(record: SiteRecord | ExportRecord, places: Places) -> bool:
    return not is_there(places.published(record.request, record.name) / MANIFEST)
