"""`botify-export sandbox`: the local Botify, until it is interrupted."""

import argparse
import sys

from deployments.sandbox import serve_until_interrupted


def sandbox(options: argparse.Namespace) -> None:
    """Serve; the sandbox reads its own options."""
    sys.exit(serve_until_interrupted(options.rest))
