"""The flow that carries an export which the ledger knows to its end."""

from prefect import flow

from flows.delivery import deliver
from flows.ending import says_how_it_ended
from flows.run_context import reported
from flows.site_delivery import deliver_site
from tasks.artifacts.run_page import name_run
from tasks.exports.errors import ExportUnknown
from tasks.exports.outcome import Outcome
from tasks.exports.project_address import ProjectAddress
from tasks.exports.settings import Settings, using
from tasks.exports.wanted import ALL_FILES
from tasks.ledger.ledger import Ledger
from tasks.ledger.sites import SiteLedger, SiteRecord
from tasks.load_credentials import load_credentials
from tasks.share_rate_limit import rate_limit_shared


@flow(name="resume-export", flow_run_name="resume {name}")
@says_how_it_ended
async def resume_export(name: str, output_dir: str = "", credentials: str = "") -> Outcome:
    """Finish an export exactly as it was asked for; no new job is made while the old one can be used.

    Args:
        name: The export's name as `botify-export exports` shows it, its job's id, or its fingerprint.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
        credentials: The name of a Botify Credentials block. Empty: BOTIFY_API_TOKEN, else botify_token.txt.
    """
    with using(await load_credentials(credentials)), rate_limit_shared():
        return await _resume(name, output_dir)


async def _resume(name: str, output_dir: str) -> Outcome:
    settings = Settings.load(output_dir or None).with_token()
    places = settings.places
    export = SiteLedger.in_folder(places.data_dir).named(name) or Ledger.in_folder(places.data_dir).named(name)
    request = export.request
    if request.api != settings.api_url:
        raise ExportUnknown(
            f"{name} is an export of {request.api}, and BOTIFY_API_URL is {settings.api_url}.",
            next_step=f"Set BOTIFY_API_URL={request.api} and run the same command again.",
        )
    async with reported(request.org, request.project, places):
        await name_run(f"resume {request}", ProjectAddress(org=request.org, project=request.project))
        if isinstance(export, SiteRecord):
            return await deliver_site(export.request, export.plan, places, ALL_FILES)
        return await deliver(export.request, places, ALL_FILES)
