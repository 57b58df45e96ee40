"""What somebody wants to be told, where, and when not."""

from collections.abc import Callable, Mapping
from datetime import time

from msgspec import UNSET

from domain.errors import Conflict, Unauthenticated
from domain.moods import zone
from domain.preferences import CHANNELS_ON, Category, Channel, Preferences, Preview
from domain.quiet_hours import QuietHours
from domain.times import from_ms
from hub.handlers.ports import Actor
from protocol import rest_push
from protocol.rest_push import ChannelSwitches, PreferencesChange, Switches
from storage.postgres import Database
from storage.push_preferences import change_preferences, load_preferences
from storage.users import load_account

SWITCHED = [category for category in Category if category is not Category.ACCOUNT]  # that one cannot be


class PreferenceHandlers:
    """Both raise: Refusal."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock

    async def load(self, actor: Actor) -> rest_push.Preferences:
        """As they are."""
        return _shown((await load_preferences(self._database, [actor.user]))[actor.user])

    async def change(self, actor: Actor, change: PreferencesChange) -> rest_push.Preferences:
        """Change what *change* names, leave the rest; returns the whole."""
        if change.quiet_hours is not UNSET and change.quiet_hours is not None:
            zone(change.quiet_hours.timezone)
        if change.channels is not None and change.channels.email:
            await self._check_email(actor)
        after = await change_preferences(
            self._database, actor.user, lambda before: _changed(before, change), from_ms(self._clock())
        )
        return _shown(after)

    async def _check_email(self, actor: Actor) -> None:
        account = await load_account(self._database, actor.user)
        if account is None:
            raise Unauthenticated("This account does not exist any more.")
        if account.email is None:
            raise Conflict("This account has no e-mail address to write to. Give it one first.")


def _changed(before: Preferences, change: PreferencesChange) -> Preferences:
    quiet = before.quiet_hours
    if change.quiet_hours is not UNSET:
        quiet = _quiet_hours(change.quiet_hours)
    return Preferences(
        switches={**before.switches, **_switches(change)},
        quiet_hours=quiet,
        preview=Preview(change.preview.value) if change.preview is not None else before.preview,
        language=change.language if change.language is not None else before.language,
        streak_reminders=change.streak_reminders if change.streak_reminders is not None else before.streak_reminders,
    )


def _switches(change: PreferencesChange) -> dict[str, bool]:
    """What *change* switches, by the names of domain/preferences.py."""
    named: dict[str, Switches | None] = {"": change.channels}
    if change.categories is not None:
        named |= {f"{category}.": getattr(change.categories, category) for category in SWITCHED}
    return {
        f"{prefix}{channel}": is_on
        for prefix, switches in named.items()
        if switches is not None
        for channel in Channel
        if (is_on := getattr(switches, channel)) is not None
    }


def _quiet_hours(quiet: rest_push.QuietHours | None) -> QuietHours | None:
    if quiet is None:
        return None
    return QuietHours(time.fromisoformat(quiet.start), time.fromisoformat(quiet.end), quiet.timezone)


def _shown(preferences: Preferences) -> rest_push.Preferences:
    quiet = preferences.quiet_hours
    return rest_push.Preferences(
        channels=_channels(preferences, "", CHANNELS_ON),
        categories={category: _channels(preferences, f"{category}.", {}) for category in SWITCHED},
        quiet_hours=rest_push.QuietHours(
            start=f"{quiet.start:%H:%M}", end=f"{quiet.end:%H:%M}", timezone=quiet.timezone
        )
        if quiet is not None
        else None,
        preview=rest_push.Preview(preferences.preview),
        language=preferences.language,
        streak_reminders=preferences.streak_reminders,
    )


def _channels(preferences: Preferences, prefix: str, defaults: Mapping[str, bool]) -> ChannelSwitches:
    """The switches of one prefix; on, unless *defaults* or somebody's choice says otherwise."""
    return ChannelSwitches(
        **{
            channel.value: preferences.switches.get(f"{prefix}{channel}", defaults.get(channel, True))
            for channel in Channel
        }
    )
