"""Names of artifacts: one history per project and kind."""

import re


def artifact_key(kind: str, org: str, project: str) -> str:
    """Return a key of the letters that Prefect admits: a-z, 0-9 and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{kind}-{org}-{project}".lower()).strip("-")
