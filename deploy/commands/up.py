"""`hugmood up`."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress

from deploy.local import UpOptions, up
from deploy.settings import check_settings, unknown_names


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Until it is told to stop. Raises: CannotStart."""
    check_settings(environment)
    for line in unknown_names(environment):
        print(f"hugmood: {line}", file=sys.stderr)
    options = UpOptions(
        data=arguments.data,
        host=arguments.host,
        port=arguments.port,
        hubs=arguments.hubs,
        workers=arguments.workers,
        ready_file=arguments.ready_file,
    )
    asyncio.run(up(options, environment, _say))
    return 0


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads any more: no reason to end
        print(line, flush=True)
