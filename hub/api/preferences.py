"""Endpoints of what somebody wants to be told, where, and when not."""

from collections.abc import Sequence

from hub.api.endpoints import Call, Endpoint
from hub.handlers.preferences import PreferenceHandlers
from protocol.codes import ErrorCode
from protocol.rest_push import Preferences, PreferencesChange


class _Preferences:
    """Hands on to the handlers."""

    def __init__(self, preferences: PreferenceHandlers) -> None:
        self._preferences = preferences

    async def load(self, call: Call) -> Preferences:
        return await self._preferences.load(call.actor)

    async def change(self, call: Call) -> Preferences:
        return await self._preferences.change(call.actor, call.body)


def preference_endpoints(preferences: PreferenceHandlers) -> Sequence[Endpoint]:
    """`/v1/me/preferences`."""
    endpoints = _Preferences(preferences)
    return (
        Endpoint(
            method="GET",
            path="/v1/me/preferences",
            summary="What one is told, where, and when not. What is about the account's security is always told.",
            group="Preferences",
            handle=endpoints.load,
            reply=Preferences,
        ),
        Endpoint(
            method="PATCH",
            path="/v1/me/preferences",
            summary="Change what the body names. Switching e-mail on without an e-mail address is a conflict.",
            group="Preferences",
            handle=endpoints.change,
            body=PreferencesChange,
            reply=Preferences,
            errors=(ErrorCode.CONFLICT,),
        ),
    )
