"""`hugmood listen`: log in and print events, one JSON object a line."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping

import msgspec

from deploy.account import Account, find_url, open_account
from deploy.children import CannotStart
from protocol.client import Client, ClientClosed
from protocol.events import Welcome

DEVICE = "command line"


def run(arguments: argparse.Namespace, _environment: Mapping[str, str]) -> int:
    """Until Ctrl-C. Raises: CannotStart."""
    account = open_account(find_url(arguments.url, arguments.data), arguments.email, arguments.token)
    asyncio.run(_listen(account, arguments.count))
    return 0


async def _listen(account: Account, count: int | None) -> None:
    """Ends after *count* durable events, if that is given: presence comes as it likes."""
    loop = asyncio.get_running_loop()
    on_token = account.refresh if account.can_refresh else None
    client = Client(account.url, token=account.token, device=DEVICE, on_token=on_token, on_welcome=_greet)
    try:
        async with client:
            for signum in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(signum, lambda: asyncio.ensure_future(client.close()))
            async for event in client.events():
                print(msgspec.json.encode(event).decode(), flush=True)
                if count is not None and getattr(event, "seq", None) is not None:
                    count -= 1
                if count == 0:
                    break
    except ClientClosed as error:
        raise CannotStart(f"{account.url} has closed the connection: {error}") from error
    finally:
        await account.log_out()


def _greet(welcome: Welcome) -> None:
    online = [friend.user for friend in welcome.friends]
    print(
        f"Connected as {welcome.user.name} ({welcome.user.id}); friends about: {', '.join(online) or 'nobody'}.",
        file=sys.stderr,
        flush=True,
    )
