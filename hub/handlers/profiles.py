"""Oneself and others: account, name, privacy, looking somebody up."""

from msgspec import UNSET

from domain.accounts import check_about, check_name
from domain.errors import Unauthenticated
from domain.privacy import Privacy, no_such_user
from domain.times import rfc3339
from hub.handlers.accounts import me_of
from hub.handlers.ports import Actor, Delivery
from protocol.rest import Me
from protocol.rest_people import Person, PrivacyPatch, ProfilePatch
from storage.postgres import Database
from storage.privacy import load_privacy, save_privacy
from storage.profiles import Profile, load_profile, save_profile
from storage.users import load_account

SHOWN = ("who_sees_online", "who_sees_activity")  # the questions whose answers friends see in the presence


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

    async def change_profile(self, actor: Actor, patch: ProfilePatch) -> Me:
        """Change the own name, in running sessions too, or what is said about oneself. Events that were stored before keep the old name."""
        name = check_name(patch.name) if patch.name is not UNSET else None
        about = check_about(patch.about) if isinstance(patch.about, str) else None
        if name is not None or patch.about is not UNSET:
            await save_profile(self._database, actor.user, name, about, keep_about=patch.about is UNSET)
        if name is not None:
            self._delivery.renamed(actor.user, name)
        return await self.me(actor)

    async def privacy(self, actor: Actor) -> Privacy:
        """Who may do what."""
        return await load_privacy(self._database, actor.user)

    async def change_privacy(self, actor: Actor, patch: PrivacyPatch) -> Privacy:
        """Change what the patch names; every node forgets what it remembered.

        Friends see the presence anew only if that is what changed: otherwise it would tell that somebody is about.
        """
        chosen = {field: value for field in Privacy.__struct_fields__ if (value := getattr(patch, field)) is not UNSET}
        if not chosen:
            return await load_privacy(self._database, actor.user)
        before = await load_privacy(self._database, actor.user)
        privacy = await save_privacy(self._database, actor.user, chosen)
        self._delivery.privacy_changed(actor.user)
        if any(getattr(before, field) is not getattr(privacy, field) for field in SHOWN):
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
    return Person(
        id=profile.user,
        name=profile.name,
        username=profile.username,
        relation=profile.friendship,
        about=profile.about,
        last_seen=rfc3339(profile.last_seen_ms) if profile.last_seen_ms is not None else None,
        following=profile.is_following,
        muted=profile.is_muted,
        blocked=profile.is_blocked,
    )
