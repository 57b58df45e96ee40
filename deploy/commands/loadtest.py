"""`hugmood loadtest`: makes load and measures; its own command line reads the arguments."""

import argparse
from collections.abc import Mapping

from loadtest.cli import main


def run(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    """Returns 0 if everything was kept, 1 if not, 2 if it could not be measured."""
    return main(arguments.rest)
