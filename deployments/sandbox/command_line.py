"""`python -m deployments.sandbox`: serve until interrupted."""

import argparse
import sys
import threading
from collections.abc import Sequence

from deployments.sandbox import fault_text
from deployments.sandbox.behaviour import Behaviour, BehaviourTextError
from deployments.sandbox.sandbox import Sandbox
from deployments.sandbox.serving import Addresses, serving
from deployments.sandbox.state import TOKEN


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the sandbox, for this and for other command lines."""
    parser.add_argument("--api-port", type=int, default=8465, metavar="PORT")
    parser.add_argument("--files-port", type=int, default=8466, metavar="PORT")
    parser.add_argument("--job-seconds", type=float, default=3, metavar="SECONDS", help="how long a job takes (3)")
    parser.add_argument("--behaviour", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--fault", action="append", default=[], metavar="'ROUTE WHEN: EFFECT'")


def serve_until_interrupted(arguments: argparse.Namespace | Sequence[str] | None = None) -> int:
    """Serve a sandbox until Ctrl-C; the options are parsed already, or the process's own. Returns the exit code."""
    options = arguments if isinstance(arguments, argparse.Namespace) else _parsed(arguments)
    try:
        behaviour = Behaviour.from_texts([f"job_seconds={options.job_seconds}", *options.behaviour])
        sandbox = Sandbox(behaviour, map(fault_text.read_fault, options.fault))
    except (BehaviourTextError, fault_text.FaultTextError) as error:
        print(error, file=sys.stderr)
        return 2
    try:
        with serving(sandbox, options.api_port, options.files_port) as addresses:
            print(_welcome(addresses), flush=True)
            threading.Event().wait()
    except OSError as error:
        print(f"The ports {options.api_port} and {options.files_port} are not both free: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.sandbox",
        description="A local stand-in for Botify.",
        epilog=f"{fault_text.__doc__}\nSwitches, with their defaults:\n\n{Behaviour.described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    return parser.parse_args(arguments)


def _welcome(addresses: Addresses) -> str:
    projects = "\n".join(f"  {url}" for url in addresses.project_urls)
    return f"""The sandbox is serving; Ctrl-C stops it. In another terminal:

  export BOTIFY_API_URL={addresses.api_url}
  export BOTIFY_API_TOKEN={TOKEN}

Projects:
{projects}
"""
