"""Whether an analysis was exported before, told without asking Botify anything."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.delivery.manifest import Manifest, manifests_below, problems, read_manifest
from tasks.delivery.publishing import reused
from tasks.exports.outcome import Outcome, Status
from tasks.exports.places import Places
from tasks.exports.site import Coverage
from tasks.exports.wanted import WantedFiles


class Question(BaseModel):
    """What a run asks for, as far as it is known before Botify is asked: names, not fields; limits, not depths."""

    model_config = ConfigDict(frozen=True)

    fields: tuple[str, ...]
    max_rows: int
    max_depth: int | None
    coverage: Coverage
    wanted: WantedFiles

    @classmethod
    def of(cls, fields: Sequence[str], **limits: object) -> "Question":
        names = dict.fromkeys(["url", *(name.strip() for name in fields if name.strip())])
        return cls.model_validate({"fields": tuple(names), **limits})

    def is_answered_by(self, manifest: Manifest) -> bool:
        """Whether the published export is one that this question would make."""
        return (
            tuple(column.name for column in manifest.columns) == self.fields
            and all(job.request["export_size"] == self.max_rows for job in manifest.jobs)
            and (manifest.max_depth is None) == (self.coverage is Coverage.FULL)
            and (self.max_depth is None or (manifest.max_depth is not None and manifest.max_depth <= self.max_depth))
            and self.wanted.are_among(manifest.file_names)
        )


def find_exported(places: Places, org: str, project: str, analysis: str, question: Question) -> Outcome | None:
    """Return the analysis's export if it is published and every byte of it holds: the run has nothing to do."""
    for path in manifests_below(places.analysis(org, project, analysis), "*"):
        folder = path.parent
        try:
            manifest = read_manifest(folder)
        except ValidationError:
            continue
        if question.is_answered_by(manifest) and not problems(folder):
            return reused(manifest, folder).model_copy(update={"status": Status.SKIPPED})
    return None
