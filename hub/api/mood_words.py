"""The words that moods are logged with, for pages to offer. They are the same for everybody, and open."""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from domain.vocabulary import VOCABULARY, quadrant
from hub.api.endpoints import JSON, Auth, Call, Endpoint
from protocol.rest_moods import MoodWord, MoodWords

FRESH_S = 3600


def mood_words() -> MoodWords:
    """All of them, in the order of the vocabulary."""
    return MoodWords(
        words=[
            MoodWord(mood=mood, valence=point.valence, arousal=point.arousal, quadrant=quadrant(*point))
            for mood, point in VOCABULARY.items()
        ]
    )


def mood_word_endpoints() -> Sequence[Endpoint]:
    """The vocabulary."""
    text = msgspec.json.encode(mood_words())
    headers = {"Cache-Control": f"public, max-age={FRESH_S}"}

    async def words(_call: Call) -> Response:
        return Response(text, headers=headers, media_type=JSON)

    return (
        Endpoint(
            method="GET",
            path="/v1/moods/words",
            summary=f"The words of moods, and where each lies. The same for everybody; fresh for {FRESH_S} s.",
            group="Moods",
            handle=words,
            reply=MoodWords,
            auth=Auth.IGNORED,
        ),
    )
