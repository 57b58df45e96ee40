"""Accounts and their log-ins: register, log in, come in anonymously, refresh, log out.

Invariant: nobody learns from an answer, or from how long it took, whether an e-mail address has an account
(but by registering it); and a refresh token leads to one successor, however often it is sent.
"""

import hashlib
import hmac
import ipaddress
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence

from domain.accounts import (
    check_email,
    check_name,
    check_password,
    check_password_bytes,
    check_username,
    guest_name,
)
from domain.errors import Unauthenticated
from domain.ids import uuid7
from domain.times import from_ms, rfc3339
from hub.passwords import Passwords
from hub.tokens import ACCESS_TTL_S, Claims, TokenExpired, issue_access_token
from protocol.rest import Anonymous, LoggedIn, Login, Logout, Me, Refresh, Register
from storage.limits import Limit, Limits
from storage.postgres import Database
from storage.tokens import (
    REFRESH_TTL,
    FoundLogin,
    NewLogin,
    Refused,
    Reused,
    create_login,
    find_login,
    revoke_all_logins,
    revoke_login,
    rotate,
)
from storage.users import Account, NewAccount, create_account, load_account, load_credential

QUARTER_MS = 15 * 60_000
HOUR_MS = 60 * 60_000

# Addresses stand for schools and offices as well as for one person, accounts and tokens for one person.
REGISTER_BY_ADDRESS = Limit("register-address", 100, HOUR_MS)
REGISTER_BY_EMAIL = Limit("register-email", 10, HOUR_MS)
ANONYMOUS_BY_ADDRESS = Limit("anonymous-address", 200, HOUR_MS)
LOGIN_BY_ADDRESS = Limit("login-address", 200, QUARTER_MS)
LOGIN_BY_EMAIL = Limit("login-email", 10, QUARTER_MS)  # wrong ones in a row: the right password starts anew
REFRESH_BY_ADDRESS = Limit("refresh-address", 2_000, QUARTER_MS)
REFRESH_BY_TOKEN = Limit("refresh-token", 20, QUARTER_MS)
LOGOUT_BY_ADDRESS = Limit("logout-address", 1_000, QUARTER_MS)
LOGOUT_BY_ACCOUNT = Limit("logout-account", 60, QUARTER_MS)


class AccountHandlers:
    """The credential endpoints. *address* is the client's; all raise: Refusal."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        limits: Limits,
        secret: bytes,
        clock: Callable[[], int],
        on_ended: Callable[[str, Sequence[str]], None] = lambda _user, _sids: None,
    ) -> None:
        """*on_ended*(user, sids): these log-ins are over, and so should be the sessions that came by them."""
        self._database = database
        self._passwords = passwords
        self._limits = limits
        self._secret = secret
        self._successor_key = hmac.digest(secret, b"hugmood refresh token successors", "sha256")
        self._clock = clock
        self._on_ended = on_ended

    async def register(self, body: Register, address: str) -> LoggedIn:
        """A new account, logged in. Raises: Conflict if the username or e-mail address is taken."""
        email = check_email(body.email)
        username = check_username(body.username)
        name = check_name(body.username if body.name is None else body.name)
        check_password(body.password)
        await self._limits.take((REGISTER_BY_ADDRESS, network_of(address)), (REGISTER_BY_EMAIL, email))
        password_hash = await self._passwords.hash(body.password)
        return await self._create(name, username, email, password_hash)

    async def anonymous(self, body: Anonymous, address: str) -> LoggedIn:
        """A new account without credentials: what keeps it is its refresh token."""
        name = check_name(body.name) if body.name is not None else None
        await self._limits.take((ANONYMOUS_BY_ADDRESS, network_of(address)))
        return await self._create(name, None, None, None)

    async def _create(
        self, name: str | None, username: str | None, email: str | None, password_hash: str | None
    ) -> LoggedIn:
        now_ms = self._clock()
        user, token = uuid7(now_ms), new_refresh_token()
        account = NewAccount(
            user=user,
            name=name if name is not None else guest_name(user),
            username=username,
            email=email,
            password_hash=password_hash,
            at=from_ms(now_ms),
        )
        login = _new_login(token, now_ms)
        await create_account(self._database, account, login)
        return await self._logged_in(user, login.sid, token)

    async def login(self, body: Login, address: str) -> LoggedIn:
        """A further log-in. Raises: Unauthenticated, alike for a wrong password and for no such account."""
        email = check_email(body.email)
        check_password_bytes(body.password)
        await self._limits.take((LOGIN_BY_ADDRESS, network_of(address)), (LOGIN_BY_EMAIL, email))
        credential = await load_credential(self._database, email)
        is_right = await self._passwords.is_right(body.password, credential.password_hash if credential else None)
        if credential is None or not is_right:
            raise Unauthenticated("E-mail address or password is wrong.")
        await self._limits.forget(LOGIN_BY_EMAIL, email)
        now_ms = self._clock()
        token = new_refresh_token()
        login = _new_login(token, now_ms)
        await create_login(self._database, credential.user, login, from_ms(now_ms))
        return await self._logged_in(credential.user, login.sid, token)

    async def refresh(self, body: Refresh, address: str) -> LoggedIn:
        """The next pair of tokens. For 10 s the same token gets the same successor again, in case the answer was lost.

        Raises: Unauthenticated, TokenExpired: log in again.
        """
        token = body.refresh_token
        await self._limits.take((REFRESH_BY_ADDRESS, network_of(address)), (REFRESH_BY_TOKEN, token))
        successor = self._successor_of(token)
        now = from_ms(self._clock())
        outcome = await rotate(self._database, hash_of(token), hash_of(successor), now)
        if outcome is Refused.EXPIRED:
            raise TokenExpired("The refresh token has expired. Log in again.")
        if isinstance(outcome, Reused):
            self._on_ended(outcome.user, [outcome.sid])
        if not isinstance(outcome, FoundLogin):
            raise _no_such_login()
        return await self._logged_in(outcome.user, outcome.sid, successor)

    async def logout(self, body: Logout, address: str, claims: Claims | None) -> list[str]:
        """End one log-in, or all of the user; the `sid`s of what was ended. *claims*: of the access token, if one came.

        Raises: Unauthenticated if neither token says whose log-in it is. An unknown refresh token has nothing to end.
        """
        await self._limits.take((LOGOUT_BY_ADDRESS, network_of(address)))
        if body.refresh_token is not None:
            login = await find_login(self._database, hash_of(body.refresh_token))
            if login is None:
                return []
            user, sid = login.user, login.sid
        elif claims is not None:
            user, sid = claims.user, claims.sid
        else:
            raise Unauthenticated("Send the refresh token of the log-in to end, or an access token.")
        await self._limits.take((LOGOUT_BY_ACCOUNT, user))
        now = from_ms(self._clock())
        if body.all:
            ended = await revoke_all_logins(self._database, user, now)
        else:
            ended = await revoke_login(self._database, user, sid, now)
        self._on_ended(user, ended)
        return ended

    def _successor_of(self, token: str) -> str:
        # As unguessable as a random token to whoever lacks the secret, and always the same: a lost answer can be
        # repeated although only hashes are stored.
        return _to_text(hmac.digest(self._successor_key, token.encode(), "sha256"))

    async def _logged_in(self, user: str, sid: str, refresh_token: str) -> LoggedIn:
        account = await load_account(self._database, user)
        if account is None:
            raise _no_such_login()
        access_token = issue_access_token(
            self._secret, user, sid, account.roles, self._clock(), is_anonymous=account.is_anonymous
        )
        return LoggedIn(me_of(account), access_token, ACCESS_TTL_S, refresh_token)


def me_of(account: Account) -> Me:
    """The account as its owner sees it."""
    return Me(
        id=account.user,
        name=account.name,
        username=account.username,
        email=account.email,
        anonymous=account.is_anonymous,
        roles=account.roles,
        created_at=rfc3339(account.created_ms),
        about=account.about,
    )


def network_of(address: str) -> str:
    """What is counted as one address: for IPv6 the /64 that one household has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.ip_network((parsed, 64), strict=False))


def new_refresh_token() -> str:
    """256 random bits."""
    return _to_text(secrets.token_bytes(32))


def hash_of(token: str) -> bytes:
    """What is stored of a refresh token."""
    return hashlib.sha256(token.encode()).digest()


def _to_text(token: bytes) -> str:
    return urlsafe_b64encode(token).rstrip(b"=").decode()


def _new_login(token: str, now_ms: int) -> NewLogin:
    return NewLogin(uuid7(now_ms), hash_of(token), from_ms(now_ms) + REFRESH_TTL)


def _no_such_login() -> Unauthenticated:
    return Unauthenticated("The refresh token is not valid any more. Log in again.")
