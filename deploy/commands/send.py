"""`hugmood send`: one hug from the shell."""

import argparse
import asyncio
from collections.abc import Mapping

import msgspec

from deploy.account import Account, find_url, open_account
from deploy.children import CannotStart
from domain.errors import TooLarge
from protocol.client import Client, ClientClosed, CommandRefused
from protocol.events import Ok

DEVICE = "command line"


def run(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    """Prints the answer. Raises: CannotStart if there is none, or it is a refusal."""
    account = open_account(find_url(arguments.url, arguments.data), arguments.email, arguments.token)
    try:
        ok = asyncio.run(_send(account, account.find_user(arguments.to), arguments))
    except TimeoutError:
        raise CannotStart(
            f"No answer from {account.url} within {arguments.within:.0f} s; the hug may be sent again with the same --id."
        ) from None
    except (CommandRefused, ClientClosed, TooLarge) as error:
        raise CannotStart(f"{account.url} says: {error}") from error
    print(msgspec.json.encode(ok).decode())
    return 0


async def _send(account: Account, to: str, arguments: argparse.Namespace) -> Ok:
    try:
        async with asyncio.timeout(arguments.within), Client(account.url, token=account.token, device=DEVICE) as client:
            return await client.hug(to, arguments.kind, arguments.message, hug_id=arguments.id)
    finally:
        await account.log_out()
