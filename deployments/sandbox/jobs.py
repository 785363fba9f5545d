"""Export jobs and their life (botify-api.md §5)."""

from dataclasses import dataclass, field
from datetime import datetime

from deployments.sandbox.analyses import written
from deployments.sandbox.behaviour import Behaviour, Scalar
from deployments.sandbox.exports import Export, ExportPayload, in_jsonb_order
from deployments.sandbox.faults import FailJob, NeverFinish, Reason

CREATED, DONE, FAILED = "CREATED", "DONE", "FAILED"

Fate = FailJob | NeverFinish | None


@dataclass
class Job:
    """One job. Times are those of the event loop, so that jobs age in virtual time too."""

    number: int
    payload: ExportPayload
    filled: dict[str, object]
    """The payload as parsed JSON, defaults filled in."""
    metadata: object
    user: str
    created: datetime
    born: float
    """The loop's time at creation."""
    export: Export
    look: int = 0
    """How many looks at the list there had been."""
    fate: Fate = None
    links: list[str] = field(default_factory=list)

    @property
    def project(self) -> str:
        return self.payload.project

    def status(self, now: float, behaviour: Behaviour) -> str:
        """CREATED for the first third of `job_seconds`, then running, then DONE or FAILED."""
        age = now - self.born
        if age < behaviour.job_seconds / 3:
            return CREATED
        if age < behaviour.job_seconds or isinstance(self.fate, NeverFinish):
            return behaviour.running_status
        return FAILED if isinstance(self.fate, FailJob) else DONE

    def fail_now(self, fate: FailJob) -> None:
        """FAILED from now on, however young."""
        self.fate, self.born = fate, float("-inf")

    def as_json(self, status: str, results: dict[str, object] | None, behaviour: Behaviour) -> dict[str, object]:
        """JobResults of botify-api.md §5.1."""
        body = {
            "job_id": self.number if behaviour.job_id is Scalar.INTEGER else str(self.number),
            "job_type": "export",
            "job_url": f"/v1/jobs/{self.number}",
            "job_status": status,
            "payload": in_jsonb_order(self._echo(behaviour)),
            "results": results,
            "date_created": written(self.created),
            "user": self.user,
            "metadata": self.metadata if behaviour.echo_metadata else None,
            "crawl_date": None,
        }
        return body | self._reason() if status == FAILED else body

    def _echo(self, behaviour: Behaviour) -> dict[str, object]:
        echo = dict(self.filled)
        if not behaviour.echo_owner:
            del echo["username"], echo["project"]
        if not behaviour.echo_export_job_name:
            echo["export_job_name"] = None
        return echo

    def _reason(self) -> dict[str, object]:
        if not isinstance(self.fate, FailJob):
            return {}
        match self.fate.reason:
            case Reason.NONE:
                return {}
            case Reason.ERROR:
                return {"error": {"type": "ExportError", "message": self.fate.text}}
            case Reason.FAILURE_REASON:
                return {"failure_reason": self.fate.text}
            case Reason.RESULTS:
                return {"results": {"error": self.fate.text}}
