"""Endpoints of accounts: credentials, oneself, privacy."""

from collections.abc import Sequence

from domain.privacy import Privacy
from hub.api.endpoints import Auth, Call, Endpoint
from hub.handlers.accounts import AccountHandlers
from hub.handlers.profiles import ProfileHandlers
from protocol.codes import ErrorCode
from protocol.events import Ok
from protocol.rest import Anonymous, LoggedIn, Login, Logout, Me, Refresh, Register
from protocol.rest_people import PrivacyPatch, ProfilePatch

_CREDENTIAL_ERRORS = (ErrorCode.RATE_LIMITED,)


class _Sessions:
    """What hands a request on to the account handlers."""

    def __init__(self, accounts: AccountHandlers) -> None:
        self._accounts = accounts

    async def register(self, call: Call) -> LoggedIn:
        return await self._accounts.register(call.body, call.address)

    async def login(self, call: Call) -> LoggedIn:
        return await self._accounts.login(call.body, call.address)

    async def anonymous(self, call: Call) -> LoggedIn:
        return await self._accounts.anonymous(call.body, call.address)

    async def refresh(self, call: Call) -> LoggedIn:
        return await self._accounts.refresh(call.body, call.address)

    async def logout(self, call: Call) -> Ok:
        ended = await self._accounts.logout(call.body, call.address, call.claims)
        return Ok(state="logged_out", ids=ended)


class _Oneself:
    """What hands a request on to the profile handlers."""

    def __init__(self, profiles: ProfileHandlers) -> None:
        self._profiles = profiles

    async def me(self, call: Call) -> Me:
        return await self._profiles.me(call.actor)

    async def change_profile(self, call: Call) -> Me:
        return await self._profiles.change_profile(call.actor, call.body)

    async def privacy(self, call: Call) -> Privacy:
        return await self._profiles.privacy(call.actor)

    async def change_privacy(self, call: Call) -> Privacy:
        return await self._profiles.change_privacy(call.actor, call.body)


def account_endpoints(accounts: AccountHandlers, profiles: ProfileHandlers) -> Sequence[Endpoint]:
    """`/v1/auth/*` and `/v1/me*`."""
    sessions, oneself = _Sessions(accounts), _Oneself(profiles)
    return (
        Endpoint(
            method="POST",
            path="/v1/auth/register",
            summary="Make an account with e-mail address, username and password.",
            group="Accounts",
            handle=sessions.register,
            body=Register,
            reply=LoggedIn,
            status=201,
            auth=Auth.IGNORED,
            errors=(ErrorCode.CONFLICT, *_CREDENTIAL_ERRORS),
        ),
        Endpoint(
            method="POST",
            path="/v1/auth/login",
            summary="Log in. Wrong password and no such account are answered alike.",
            group="Accounts",
            handle=sessions.login,
            body=Login,
            reply=LoggedIn,
            auth=Auth.IGNORED,
            errors=(ErrorCode.UNAUTHENTICATED, *_CREDENTIAL_ERRORS),
        ),
        Endpoint(
            method="POST",
            path="/v1/auth/anonymous",
            summary="Come in without credentials. The account lasts as long as its refresh token is used.",
            group="Accounts",
            handle=sessions.anonymous,
            body=Anonymous,
            is_body_optional=True,
            reply=LoggedIn,
            status=201,
            auth=Auth.IGNORED,
            errors=_CREDENTIAL_ERRORS,
        ),
        Endpoint(
            method="POST",
            path="/v1/auth/refresh",
            summary=(
                "Change a refresh token for the next pair. Each works once; for 10 s it may be sent again if the "
                "answer was lost. Later use ends the whole log-in."
            ),
            group="Accounts",
            handle=sessions.refresh,
            body=Refresh,
            reply=LoggedIn,
            auth=Auth.IGNORED,
            errors=(ErrorCode.UNAUTHENTICATED, *_CREDENTIAL_ERRORS),
        ),
        Endpoint(
            method="POST",
            path="/v1/auth/logout",
            summary="End the log-in of a refresh token or of the access token, or all log-ins of the user.",
            group="Accounts",
            handle=sessions.logout,
            body=Logout,
            is_body_optional=True,
            reply=Ok,
            auth=Auth.OPTIONAL,
            errors=(ErrorCode.UNAUTHENTICATED, *_CREDENTIAL_ERRORS),
        ),
        Endpoint(
            method="GET",
            path="/v1/me",
            summary="The own account.",
            group="Oneself",
            handle=oneself.me,
            reply=Me,
        ),
        Endpoint(
            method="PATCH",
            path="/v1/me",
            summary="Change the own name, or what one says about oneself.",
            group="Oneself",
            handle=oneself.change_profile,
            body=ProfilePatch,
            reply=Me,
        ),
        Endpoint(
            method="GET",
            path="/v1/me/privacy",
            summary="Who may do what.",
            group="Oneself",
            handle=oneself.privacy,
            reply=Privacy,
        ),
        Endpoint(
            method="PATCH",
            path="/v1/me/privacy",
            summary="Change who may do what; what is left out stays.",
            group="Oneself",
            handle=oneself.change_privacy,
            body=PrivacyPatch,
            reply=Privacy,
        ),
    )
