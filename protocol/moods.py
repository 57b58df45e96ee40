"""Fields of moods that commands and REST share."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

_NO_NUL = r"^[^\x00]*\Z"
Part = Annotated[float, Meta(ge=-1, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1)]
MoodNote = Annotated[
    str, Meta(max_length=8_000, pattern=_NO_NUL, description="At most 2,000 characters; kept encrypted.")
]
Label = Annotated[str, Meta(min_length=1, max_length=128, pattern=_NO_NUL)]
Tags = Annotated[list[Label], Meta(max_length=10)]
Factors = Annotated[dict[Label, float | bool], Meta(max_length=20, description="Numbers or yes and no, by name.")]


class Visibility(StrEnum):
    """Who may see an entry, if the owner's privacy lets them see moods at all."""

    PRIVATE = "private"
    FRIENDS = "friends"
    PUBLIC = "public"
