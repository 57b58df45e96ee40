"""The vocabulary of moods, as a page gets it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from domain.vocabulary import VOCABULARY, Point
from tests.support.rest_server import RestServer, rest_server

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def test_anybody_gets_every_word_with_its_place(server: RestServer) -> None:
    response = await server.http.get("/v1/moods/words")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "public, max-age=3600"
    words = {word["mood"]: word for word in response.json()["words"]}
    assert {mood: Point(word["valence"], word["arousal"]) for mood, word in words.items()} == VOCABULARY
    assert [words[mood]["quadrant"] for mood in ("happy", "calm", "angry", "sad", "neutral")] == [
        "high_pleasant",
        "low_pleasant",
        "high_unpleasant",
        "low_unpleasant",
        "high_pleasant",
    ]
