"""`hugmood keys new`: a key for encrypted fields, on standard output and nowhere else."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

from storage.encryption_keys import make_key

WHERE = (
    "Put it before the keys in HUGMOOD_ENCRYPTION_KEYS or its file (that of `hugmood up`: encryption-keys in the data "
    "folder) and keep those. With several machines it takes two rounds: docs/operating.md, Keys."
)


def run(_arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    """Changes nothing."""
    print(make_key(datetime.now(UTC).date()).line)
    print(WHERE, file=sys.stderr)
    return 0
