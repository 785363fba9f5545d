"""Step 1: which project, and perhaps which analysis, the URL names."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts.progress import Step, show
from tasks.exports.project_address import ProjectAddress, parse_project_address


@task(name="parse-project-url", cache_policy=NO_CACHE)
async def parse_project_url(project_url: str) -> ProjectAddress:
    """Read the project's address. Raises ProjectUrlRefused."""
    show(Step.PARSE, "Reading the project's address")
    return parse_project_address(project_url)
