"""Who pushes, as push services of browsers want to know it, and which of them are allowed beside those that are known."""

import re
from collections.abc import Collection
from typing import Self

from msgspec import Struct

from domain.push_endpoints import load_hosts

SUBJECT_FORM = "must be how to reach you: mailto:you@app.example or https://app.example/contact"
_SUBJECT = re.compile(r"mailto:[^\s@<>]+@[^\s@<>]+|https://[^\s<>@]+")
SUBJECT = "mailto:hugmood@example.org"  # good for a try; services want to reach whoever pushes


class WebPushSettings(Struct, frozen=True, kw_only=True):
    """*subject*: whom a push service writes to if we are a nuisance. *more_hosts*: as `check_endpoint` wants them."""

    subject: str
    more_hosts: Collection[str] = frozenset()

    @classmethod
    def load(cls, subject: str = SUBJECT, hosts: str = "") -> Self:
        """Raises: ValueError, with one argument for each thing that is wrong, which says what is allowed."""
        problems, more_hosts = [], frozenset[str]()
        if not _SUBJECT.fullmatch(subject.strip()):
            problems.append(SUBJECT_FORM)
        try:
            more_hosts = load_hosts(hosts)
        except ValueError as error:
            problems.extend(error.args)
        if problems:
            raise ValueError(*problems)
        return cls(subject=subject.strip(), more_hosts=more_hosts)
