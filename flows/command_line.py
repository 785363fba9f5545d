"""The command `botify-export`: its options, its exit codes, and what it says when something is wrong."""

import argparse
import logging
import math
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module

from tasks.botify.fields import NAMES
from tasks.exports.columns import DEFAULT_FIELDS
from tasks.exports.errors import ExportError, Interrupted
from tasks.exports.site import Coverage
from tasks.exports.version import VERSION
from tasks.exports.wanted import OutputFormat

EXIT_CODES = """\
exit codes:
  0  done
  2  the input is wrong; nothing was sent that costs
  3  Botify said no, or sent a file that is not the crawl that was counted
  4  not finished but safe: run the same command again
  1  a bug
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "sandbox":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: in order, and with exit code 4
    _quieten_prefect()
    try:
        # Imported when it is used: only some commands need Prefect, which takes a second and a half.
        name = options.command.replace("-", "_")
        getattr(import_module(f"flows.commands.{name}"), name)(options)
    except ExportError as error:
        return _say(error)
    except KeyboardInterrupt:
        return _say(Interrupted("Interrupted."))
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stdout = None
    except Exception:  # noqa: BLE001  # the last line of defence: a bug shows its traceback and exit code 1
        traceback.print_exc()
        print("This is a bug in botify-export. Nothing is lost: the same command goes on.", file=sys.stderr)
        return 1
    return 0


def _say(error: ExportError) -> int:
    print(str(error), *filter(None, [error.next_step]), sep="\n", file=sys.stderr)
    return error.exit_code


def _quieten_prefect() -> None:
    """Keep Prefect's own log to the run's page; whoever sets a level for it sees it here as well.

    Prefect reads this when it is imported, and so does the temporary server that it starts.
    """
    if "PREFECT_LOGGING_LEVEL" not in os.environ:
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
        os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
        os.environ.setdefault("DO_NOT_TRACK", "1")
        logging.raiseExceptions = False  # a log that does not reach the server is no matter for the terminal


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="botify-export",
        description="Delivers a Botify crawl as checked CSV and Parquet files.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.set_defaults(command=name)
        return added

    _add_run_options(command("run", "export a crawl's pages to checked CSV and Parquet files"))
    _add_what_is_exported(command("plan", "show what `run` would export and what it costs; creates no job"))
    _add_portfolio_options(command("portfolio", "export many projects of a CSV or YAML file, several at a time"))
    _add_project(command("analyses", "list the project's analyses, newest first"))
    _add_output(command("exports", "list every export that the data folder knows, and what to do about it"))
    resume = command("resume", "carry every unfinished export, or those named, to its end")
    resume.add_argument("names", nargs="*", metavar="NAME", help="an export's name, job or fingerprint")
    _add_output(resume)
    verify = command("verify", "prove published files against their manifests, without asking anybody")
    verify.add_argument("paths", nargs="*", metavar="PATH", help="a published folder, or a file in it")
    _add_output(verify)
    doctor = command("doctor", "tell whether an export would get under way: token, user, project, disk, Prefect")
    doctor.add_argument("url", metavar="URL", nargs="?", help="a project that should be visible")
    _add_output(doctor)
    _add_credentials(doctor)
    _add_serve_options(command("serve", "serve the Prefect deployments from this machine until interrupted"))
    set_up = command(
        "set-up", "tell the Prefect server everything that workers need: pool, limit, deployments, and so on"
    )
    set_up.add_argument("--pool", default="botify-export", metavar="NAME", help="the work pool (botify-export)")
    command("demo", "run an export against a Botify that lives on this machine")
    # The sandbox reads its own options: to know them here would load its web server with every command.
    sandbox = commands.add_parser("sandbox", help="serve the local Botify until interrupted", add_help=False)
    sandbox.set_defaults(command="sandbox")
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_what_is_exported(parser)
    formats = [output.value for output in OutputFormat]
    parser.add_argument("--format", choices=formats, default="both", help="the formats of the data (both)")
    parser.add_argument("--excel", action="store_true", help="write a CSV beside them that Excel opens as it is meant")
    _add_credentials(parser)
    parser.add_argument("--refresh", action="store_true", help="make, and pay for, a new export although there is one")
    parser.add_argument(
        "--max-credits",
        type=_at_least(0),
        metavar="N",
        help="stop before anything is paid for, if more than N would be",
    )


def _add_portfolio_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help="a path, or any address that fsspec reads: url, fields, coverage, group, …")
    add("--group", default="", metavar="GROUP", help="only the projects of this schedule group")
    add("--at-once", type=_at_least(1), default=4, metavar="N", help="how many are under way at once (4)")
    add("--spread-minutes", type=_minutes, default=0, metavar="N", help="spread the beginnings over this time")
    add(
        "--max-credits",
        type=_at_least(0),
        metavar="N",
        help="the most that all together may cost; they are counted first",
    )
    add("--only-new", action="store_true", help="skip a project whose analysis was exported before")
    add(
        "--deployment",
        nargs="?",
        const="export-crawl/on-demand",
        metavar="NAME",
        help="let workers export, as runs of this deployment (export-crawl/on-demand)",
    )
    _add_credentials(parser)
    _add_output(parser)


def _add_serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", nargs="?", help="the project that each-new-crawl exports")
    parser.add_argument("--cron", metavar="CRON", help="when to look for a new crawl; with URL, the schedule is active")
    parser.add_argument("--timezone", metavar="ZONE", default="UTC", help="of the schedule (UTC)")
    parser.add_argument("--limit", type=_at_least(1), default=4, metavar="N", help="the most runs at once (4)")


def _add_credentials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--credentials", default="", metavar="BLOCK", help="a Botify Credentials block, instead of a token here"
    )


def _add_project(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="the project's address, or ORG/PROJECT")
    _add_output(parser)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output-dir", metavar="DIR", help="the data folder or its address (BOTIFY_DATA_DIR, else data)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")


def _add_what_is_exported(parser: argparse.ArgumentParser) -> None:
    _add_project(parser)
    parser.add_argument("--analysis", metavar="latest|SLUG|ask", help="which crawl (the one in URL, else latest)")
    parser.add_argument(
        "--fields",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        default=list(DEFAULT_FIELDS),
        metavar="NAMES",
        help=f"the columns after url: {', '.join(list(NAMES)[1:])}, or any field's id ({','.join(DEFAULT_FIELDS)})",
    )
    parser.add_argument("--max-depth", type=_at_least(0), metavar="N", help="the deepest depth wanted")
    parser.add_argument(
        "--max-rows", type=_at_least(1), default=1_000_000, metavar="N", help="the most rows, and credits (1000000)"
    )
    parser.add_argument(
        "--coverage",
        type=Coverage,
        choices=list(Coverage),
        default=Coverage.DEPTH,
        metavar="depth|full",
        help="what fits one job of --max-rows, or every URL in as many jobs as that takes (depth)",
    )


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 <= minutes < math.inf:
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return minutes


_minutes.__name__ = "number of minutes"


def _at_least(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        number = int(text.replace("_", ""))
        if number < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, not {number}")
        return number

    whole_number.__name__ = "whole number"
    return whole_number
