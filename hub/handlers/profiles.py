"""Oneself and others: account, name, privacy, looking somebody up."""

from msgspec import UNSET

from domain.accounts import check_name
from domain.errors import Unauthenticated
from domain.privacy import Privacy, no_such_user
from hub.handlers.accounts import me_of
from hub.handlers.ports import Actor, Delivery
from protocol.rest import Me, Person, PrivacyPatch, ProfilePatch
from storage.postgres import Database
from storage.privacy import load_privacy, save_privacy
from storage.profiles import Profile, load_profile
from storage.users import load_account, save_name


class ProfileHandlers:
    """What a user sees and changes of themselves, and sees of others. All raise: Refusal."""

    def __init__(self, database: Database, delivery: Delivery) -> None:
        self._database = database
        self._delivery = delivery

    async def me(self, actor: Actor) -> Me:
        """The own account."""
        account = await load_account(self._database, actor.user)
        if account is None:
            raise Unauthenticated("This account does not exist any more.")
        return me_of(account)

    async def rename(self, actor: Actor, patch: ProfilePatch) -> Me:
        """Change the own name, in running sessions too. Events that were stored before keep the old one."""
        name = check_name(patch.name)
        await save_name(self._database, actor.user, name)
        self._delivery.renamed(actor.user, name)
        return await self.me(actor)

    async def privacy(self, actor: Actor) -> Privacy:
        """Who may do what."""
        return await load_privacy(self._database, actor.user)

    async def change_privacy(self, actor: Actor, patch: PrivacyPatch) -> Privacy:
        """Change what the patch names; every node forgets what it remembered, and friends see the presence anew."""
        chosen = {field: value for field in Privacy.__struct_fields__ if (value := getattr(patch, field)) is not UNSET}
        if not chosen:
            return await load_privacy(self._database, actor.user)
        privacy = await save_privacy(self._database, actor.user, chosen)
        self._delivery.presence_changed(actor.user)
        return privacy

    async def person(self, actor: Actor, user: str) -> Person:
        """Another user, or oneself. Raises: NotFound."""
        profile = await load_profile(self._database, actor.user, user)
        if profile is None:
            raise no_such_user()
        return person_of(profile)


def person_of(profile: Profile) -> Person:
    """A profile as it is told."""
    return Person(profile.user, profile.name, profile.username, profile.friendship)
