"""`hugmood worker`: one worker process, for machines where something else runs the servers."""

import argparse
import logging
from collections.abc import Mapping

import uvloop

from deploy.children import CannotStart
from deploy.logs import configure_logs
from deploy.settings import load_log_level, load_worker_settings, unknown_names
from domain.errors import Unavailable
from storage.migrate import SchemaMismatch
from workers.app import serve
from workers.push.template_files import WrongTemplates

log = logging.getLogger("hugmood.workers")


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Until SIGTERM, then running jobs end. Raises: CannotStart."""
    if arguments.queues:
        environment = {**environment, "HUGMOOD_QUEUES": arguments.queues}
    settings = load_worker_settings(environment)
    configure_logs(load_log_level(environment))
    for line in unknown_names(environment):
        log.warning(line)
    try:
        uvloop.run(serve(settings))
    except (OSError, Unavailable, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error
    except WrongTemplates as error:
        raise CannotStart("\n".join(f"HUGMOOD_TEMPLATES: {wrong}" for wrong in error.args)) from error
    return 0
