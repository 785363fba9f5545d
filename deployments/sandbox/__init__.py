"""A local Botify for demonstrations and tests, built on botify-api.md alone.

It imports nothing of the client, so that the two cannot agree on a mistake.
"""

from deployments.sandbox.analyses import Analysis
from deployments.sandbox.behaviour import (
    Behaviour,
    BehaviourTextError,
    BooleanText,
    Compression,
    EntityTag,
    JobOrder,
    LineEnding,
    ListText,
    OverLimit,
    Printed,
    RowOrder,
    Scalar,
)
from deployments.sandbox.command_line import add_options, serve_until_interrupted
from deployments.sandbox.fault_text import FaultTextError, read_effect, read_fault
from deployments.sandbox.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Effect,
    ExpireLink,
    FailJob,
    Fault,
    Flip,
    NeverFinish,
    Reason,
    Redirect,
    Stall,
    WrongLength,
)
from deployments.sandbox.jobs import Job
from deployments.sandbox.ledger import Seen, most_in_one_second
from deployments.sandbox.routes import Route
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.serving import Addresses, serving
from deployments.sandbox.state import ORGANISATION, TOKEN, USER
from deployments.sandbox.transport import API_URL, FILES_URL, InProcessTransport

__all__ = [
    "API_URL",
    "FILES_URL",
    "ORGANISATION",
    "TOKEN",
    "USER",
    "Addresses",
    "Analysis",
    "Answer",
    "Behaviour",
    "BehaviourTextError",
    "BooleanText",
    "Compression",
    "Cut",
    "Delay",
    "Drop",
    "Effect",
    "EntityTag",
    "ExpireLink",
    "FailJob",
    "Fault",
    "FaultTextError",
    "Flip",
    "InProcessTransport",
    "Job",
    "JobOrder",
    "LineEnding",
    "ListText",
    "NeverFinish",
    "OverLimit",
    "Printed",
    "Reason",
    "Redirect",
    "Route",
    "RowOrder",
    "Sandbox",
    "Scalar",
    "Seen",
    "Stall",
    "WrongLength",
    "add_options",
    "most_in_one_second",
    "read_effect",
    "read_fault",
    "serve_until_interrupted",
    "serving",
]
