"""`hugmood migrate`: brings the schema of HUGMOOD_DATABASE_URL to what this code needs."""

import argparse
import asyncio
from collections.abc import Mapping

from deploy.children import CannotStart
from deploy.settings import load_database_url
from domain.errors import Unavailable
from storage.migrate import SchemaMismatch, migrate


def run(_arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Prints what was applied. Raises: CannotStart."""
    url = load_database_url(environment)
    if url is None:
        raise CannotStart("HUGMOOD_DATABASE_URL is missing. (`hugmood up` migrates its own database by itself.)")
    try:
        applied = asyncio.run(migrate(url))
    except (Unavailable, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error
    for name in applied:
        print(f"applied {name}")
    if not applied:
        print("The schema is up to date.")
    return 0
