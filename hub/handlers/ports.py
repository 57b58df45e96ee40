"""What a handler is given: who asks, and the way out to everybody who must hear of it."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from protocol.events import Message
from storage.inbox import InboxEvent


class Actor(Struct, frozen=True, gc=False):
    """Who asks. `session` is set when the command came over a socket: it is spared what it knows already."""

    user: str
    name: str
    session: str | None = None


class Delivery(Protocol):
    """How events leave a handler. None of these blocks or raises: the mailbox holds what must not be lost."""

    def ring(self, events: Sequence[InboxEvent]) -> None:
        """Bring *events*, already committed, to every session of their users on every node."""

    def tell(self, users: Sequence[str], event: Message, skip: str | None = None) -> None:
        """Bring an ephemeral *event* to every session of *users*, but not to session *skip*."""

    def relation_changed(self, one: str, other: str, *, are_friends: bool | None) -> None:
        """A friendship or block of this pair changed: caches forget it, and each sees the other's presence anew.

        *are_friends* None: they are not and were not, so there is no presence to see, and nothing must show.
        """

    def privacy_changed(self, user: str) -> None:
        """Who may do what to *user* changed: caches forget it, on every node."""

    def presence_changed(self, user: str) -> None:
        """Who may see *user* changed: what their friends see is worked out anew."""

    def renamed(self, user: str, name: str) -> None:
        """*user* is called *name* from now on, in every running session on every node."""
