"""bcrypt off the loop: right answers, equal time, bounded work."""

import asyncio
import time

import bcrypt
import pytest

from domain.errors import Unavailable
from hub.passwords import COST, WAITING_MAX, Passwords

pytestmark = pytest.mark.unit


async def test_only_the_right_password_is_right() -> None:
    async with Passwords(4) as passwords:
        stored = await passwords.hash("correct horse")
        assert await passwords.is_right("correct horse", stored)
        assert not await passwords.is_right("correct horsE", stored)
        assert not await passwords.is_right("correct horse", None)
        assert bcrypt.checkpw(b"correct horse", stored.encode())


async def test_nobodys_password_costs_what_a_real_one_does() -> None:
    assert COST == 12
    async with Passwords(10) as passwords:
        stored = await passwords.hash("correct horse")

        async def cost(password_hash: str | None) -> float:
            best = 1e9
            for _ in range(3):
                started = time.perf_counter()
                assert not await passwords.is_right("wrong horse", password_hash)
                best = min(best, time.perf_counter() - started)
            return best

        real, nobody = await cost(stored), await cost(None)
        assert 0.3 < nobody / real < 3
        assert nobody > 0.005, "bcrypt was really run"


async def test_the_loop_goes_on_and_the_queue_is_bounded() -> None:
    async with Passwords(4) as passwords:
        results = await asyncio.gather(
            *(passwords.hash("correct horse") for _ in range(WAITING_MAX + 5)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Unavailable)]
        assert len(refused) == 5
        assert refused[0].retry_after_ms > 0
        assert await passwords.is_right("correct horse", await passwords.hash("correct horse"))
