"""The team that does not live in a terminal: start, watch, choose, read, cancel, in a real browser.

Not called test_…, so that it is not collected with the others: it needs a browser, which `make test-ui` installs.
"""

from pathlib import Path

import pytest

from deployments.sandbox import read_fault
from tests.served import Served
from tests.ui.prefect_pages import Pages

PROJECT = "https://app.botify.com/sandbox/www.boost.org/"


def test_an_export_is_started_from_the_form_and_watched_to_its_end(pages: Pages, served: Served) -> None:
    """The form explains itself; the run's page shows the state with its sentence, and a log to follow."""
    pages.open_form()
    pages.see("The project's address, as the browser shows it.")
    pages.fill("project_url", PROJECT)
    pages.fill("max_rows", "1000")
    pages.shoot("form")
    pages.submit()
    pages.see("Job 1001: submitted.")
    pages.shoot("run-waiting")
    pages.see("Completed")
    pages.see("sandbox/www.boost.org 20261122-2 depth 2")
    pages.shoot("run")
    assert len(served.sandbox.jobs) == 1


def test_a_wrong_address_is_refused_with_the_sentence_of_the_command_line(pages: Pages, served: Served) -> None:
    """In the first second of the run, before anything is asked."""
    jobs = len(served.sandbox.jobs)
    pages.open_form()
    pages.fill("project_url", "https://example.com/a/b")
    pages.submit()
    pages.see("example.com is not Botify: a project's address begins with https://app.botify.com/.")
    pages.shoot("refused")
    assert len(served.sandbox.jobs) == jobs


def test_a_number_out_of_its_limits_is_refused_by_the_form(pages: Pages, served: Served) -> None:
    """No run is made of it."""
    pages.open_form()
    pages.fill("project_url", PROJECT)
    pages.fill("max_rows", "0")
    runs = len(pages.post("/flow_runs/filter", {}))
    pages.page.get_by_role("button", name="Submit").click()
    pages.see("0 is less than the minimum of 1")
    assert len(pages.post("/flow_runs/filter", {})) == runs


def test_the_analysis_is_chosen_from_a_list(pages: Pages, served: Served) -> None:
    """The run pauses; its form shows the analyses and which are exported already."""
    pages.open_form()
    pages.fill("project_url", PROJECT)
    pages.fill("analysis", "ask")
    pages.fill("max_rows", "1000")
    pages.submit()
    pages.see("Paused")
    pages.page.get_by_role("button", name="Resume").first.click()
    pages.see("Which analysis of")
    pages.see("20261001")
    pages.shoot("ask")
    pages.page.get_by_role("dialog").get_by_role("button", name="Submit").click()
    pages.see("Completed")


@pytest.mark.parametrize(
    ("kind", "shows"), [("depth-plan", "URLs to this depth"), ("depth-picture", "depth"), ("export", "The first rows")]
)
def test_table_picture_and_report_can_be_read(pages: Pages, served: Served, kind: str, shows: str) -> None:
    """Each has a page of its own, with the history of the project's exports."""
    pages.open_artifact(f"{kind}-sandbox-www-boost-org")
    pages.see(shows)
    pages.shoot(kind)


def test_a_portfolio_shows_each_project_and_what_is_missing(pages: Pages, served: Served, tmp_path: Path) -> None:
    """One table that fills in, and a summary with what to do about the project that failed."""
    portfolio = tmp_path / "portfolio.csv"
    portfolio.write_text(f"url,max_rows\n{PROJECT},1000\nsandbox/forbidden,\n")
    run = pages.start("export-portfolio", {"portfolio_file": str(portfolio)})
    pages.see("1 of 2 projects are exported")
    pages.wait_for_state(run, "FAILED")
    pages.shoot("portfolio-run")
    for kind, shows in {"portfolio": "sandbox/forbidden", "portfolio-summary": "Ask the project"}.items():
        pages.open_artifact(kind)
        pages.see(shows)
        pages.shoot(kind)


def test_a_run_is_cancelled_from_its_page(pages: Pages, served: Served) -> None:
    """Within seconds, in the middle of a wait; the job goes on at Botify and stays known."""
    served.sandbox.add_fault(read_fault("create job 1+: never finish"))
    pages.open_form()
    pages.fill("project_url", "sandbox/www.postgresql.org")
    run = pages.submit()
    pages.see(": submitted.")
    pages.page.get_by_role("button", name="Cancel").first.click()
    pages.page.get_by_role("button", name="Confirm").click()
    pages.wait_for_state(run, "CANCELLED")
    pages.see("Cancelled")
    pages.shoot("cancelled")
