"""One export among many: whatever becomes of it, the others go on."""

import time
from collections.abc import Awaitable
from typing import Final

from flows.run_context import deliveries
from tasks.exports.errors import Interrupted
from tasks.exports.outcome import Outcome
from tasks.exports.summary import OneOfMany
from tasks.ledger.credits import counting_credits

CANCELLED: Final = "It was cancelled."


async def one_of_many(exports: list[OneOfMany], number: int, exporting: Awaitable[Outcome]) -> None:
    """Await the export with this number (from 0), and put what became of it into the list.

    Only a cancellation is raised. What was delivered is there, and why it was not is known, also where Prefect could
    not record it.
    """
    began = time.monotonic()
    ended = exports[number].failed(Interrupted(CANCELLED))
    with counting_credits() as paid, deliveries() as delivered:
        try:
            ended = exports[number].delivered(await exporting)
        except Exception as error:  # noqa: BLE001  # one export's failure is never another's
            ended = _ended(exports[number], delivered[0] if delivered else error)
        finally:
            seconds = round(time.monotonic() - began, 1)
            exports[number] = ended.model_copy(update={"credits": paid.credits, "seconds": seconds})


def _ended(export: OneOfMany, how: Outcome | Exception) -> OneOfMany:
    return export.failed(how) if isinstance(how, Exception) else export.delivered(how)
