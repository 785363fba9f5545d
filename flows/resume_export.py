"""The flow that carries an export which the ledger knows to its end."""

from prefect import flow

from flows.delivery import deliver
from flows.run_context import reported
from tasks.exports.errors import ExportUnknown
from tasks.exports.outcome import Outcome
from tasks.exports.settings import Settings
from tasks.exports.wanted import ALL_FILES
from tasks.ledger.ledger import Ledger


@flow(name="resume-export")
async def resume_export(name: str, output_dir: str | None = None) -> Outcome:
    """Finish an export exactly as it was asked for; no new job is made while the old one can be used.

    Args:
        name: The export's name as `botify-export exports` shows it, its job's id, or its fingerprint.
        output_dir: The data folder. Empty: BOTIFY_DATA_DIR.
    """
    settings = Settings.load(output_dir).with_token()
    request = Ledger.in_folder(settings.data_dir).named(name).request
    if request.api != settings.api_url:
        raise ExportUnknown(
            f"{name} is an export of {request.api}, and BOTIFY_API_URL is {settings.api_url}.",
            next_step=f"Set BOTIFY_API_URL={request.api} and run the same command again.",
        )
    async with reported(request.org, request.project, settings.data_dir):
        return await deliver(request, settings.data_dir, ALL_FILES, refresh=False)
