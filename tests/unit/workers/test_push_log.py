"""The provider that only logs."""

import logging

import pytest

from workers.push.log import LogProvider
from workers.push.outgoing import Content, Outgoing, Verdict

pytestmark = pytest.mark.unit


async def test_it_logs_a_line_without_the_body_and_takes_everything(caplog: pytest.LogCaptureFixture) -> None:
    content = Content(
        kind="hug.received", category="hugs", title="A hug for you", body="Ana hugged you.", collapse_key="c", badge=3
    )
    with caplog.at_level(logging.INFO, "hugmood.push.log"):
        async with LogProvider() as provider:
            answer = await provider.send(Outgoing(id="an-id", user="a-user", to="", content=content, ttl_s=60))
    assert answer.verdict is Verdict.ACCEPTED
    (record,) = caplog.records
    assert record.getMessage() == "push: A hug for you"
    assert {
        "kind": "hug.received",
        "user": "a-user",
        "delivery": "an-id",
        "badge": 3,
    }.items() <= record.__dict__.items()
    assert "Ana" not in str(record.__dict__)
