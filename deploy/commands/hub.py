"""`hugmood hub`: one hub, for machines where something else runs the servers."""

import argparse
import logging
import resource
from collections.abc import Mapping

import uvloop

from deploy.children import CannotStart
from deploy.logs import configure_logs
from deploy.settings import load_hub_settings, load_log_level, unknown_names
from domain.errors import Unavailable
from hub.app import serve
from storage.migrate import SchemaMismatch

log = logging.getLogger("hugmood.hub")


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Until SIGTERM, then it drains. Raises: CannotStart."""
    settings = load_hub_settings(environment)
    configure_logs(load_log_level(environment))
    for line in unknown_names(environment):
        log.warning(line)
    allow_many_files()
    try:
        uvloop.run(serve(settings))
    except (OSError, Unavailable, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error
    return 0


def allow_many_files() -> None:
    """Every connection is an open file: as many as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
