"""Logging in from the command line, by the same REST calls as any app."""

import asyncio
import getpass
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import Struct

from deploy.children import CannotStart
from deploy.running import load_running
from protocol.renewal import TokenRefused

DEFAULT_URL = "http://127.0.0.1:8080"
WITHIN_S = 15.0

Answer = TypeVar("Answer")


class _Session(Struct):
    access_token: str
    refresh_token: str


class _Problem(Struct):
    """RFC 9457."""

    detail: str = ""
    title: str = ""


class _Person(Struct):
    id: str
    username: str | None


class _Found(Struct):
    items: list[_Person]


class Account:
    """Somebody's access to a hub: by a token alone, or by a log-in that renews itself."""

    def __init__(self, url: str, token: str, refresh_token: str | None = None) -> None:
        self.url = url
        self.token = token
        self._refresh_token = refresh_token

    @classmethod
    def log_in(cls, url: str, email: str, password: str) -> "Account":
        """Raises: CannotStart, with what the hub says."""
        session = _call(url, "/v1/auth/login", _Session, {"email": email, "password": password})
        return cls(url, session.access_token, session.refresh_token)

    @property
    def can_refresh(self) -> bool:
        return self._refresh_token is not None

    async def refresh(self) -> str:
        """A new access token. Raises: TokenRefused."""
        try:
            body = {"refresh_token": self._refresh_token}
            session = await asyncio.to_thread(_call, self.url, "/v1/auth/refresh", _Session, body)
        except CannotStart as error:
            raise TokenRefused(str(error)) from error
        self.token, self._refresh_token = session.access_token, session.refresh_token
        return self.token

    def find_user(self, who: str) -> str:
        """The id of *who*, which is an id or a username. Raises: CannotStart."""
        try:
            return str(UUID(who))
        except ValueError:
            username = who.removeprefix("@").lower()
        found = _call(self.url, f"/v1/users?limit=50&search={quote(username, safe='')}", _Found, token=self.token)
        for person in found.items:
            if person.username == username:
                return person.id
        raise CannotStart(f"{self.url} knows nobody called {username}, or nobody who may be found.")

    async def log_out(self) -> None:
        """End the log-in, if there was one. Failing is no harm: it ends by itself."""
        if self._refresh_token is not None:
            body = {"refresh_token": self._refresh_token}
            with suppress(OSError, HTTPException):
                await asyncio.to_thread(_send, self.url, "/v1/auth/logout", body, self.token)


def find_url(given: str | None, data: Path) -> str:
    """The hub to talk to: the given one, else the one that runs on *data*, else the usual address."""
    if given:
        return given.rstrip("/")
    running = load_running(data)
    return running.url if running else DEFAULT_URL


def open_account(url: str, email: str | None, token: str | None) -> Account:
    """By *token* if there is one, else by *email* and a password that is asked for. Raises: CannotStart."""
    if token:
        return Account(url, token)
    if not email:
        raise CannotStart("Say who you are: --email, or --token.")
    return Account.log_in(url, email, _ask_password(email))


def _ask_password(email: str) -> str:
    """Without showing it on a terminal; otherwise the first line of standard input. Never an argument: those are public."""
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {email}: ")
    return sys.stdin.readline().rstrip("\n")


def _call(url: str, path: str, kind: type[Answer], body: object = None, token: str | None = None) -> Answer:
    """One REST call: POST with a *body*, else GET. Raises: CannotStart, with what the hub says."""
    try:
        return msgspec.json.decode(_send(url, path, body, token), type=kind)
    except urllib.error.HTTPError as error:
        with error:
            raise CannotStart(f"{url} says: {_problem(error.read()) or error.reason}") from error
    except (OSError, HTTPException, msgspec.DecodeError, ValueError) as error:
        raise CannotStart(f"{url} does not answer as a hub: {error}") from error


def _problem(body: bytes) -> str:
    try:
        problem = msgspec.json.decode(body, type=_Problem)
    except msgspec.DecodeError:
        return ""
    return problem.detail or problem.title


def _send(url: str, path: str, body: object, token: str | None) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise CannotStart(f"{url} is no address of a hub: it begins with http:// or https://.")
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    content = None if body is None else msgspec.json.encode(body)
    request = urllib.request.Request(url + path, content, headers)  # noqa: S310  checked above
    with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:  # noqa: S310  checked above
        said: bytes = answer.read()
        return said
