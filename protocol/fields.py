"""Field types that commands, events and REST bodies share: ids, texts, numbers with their bounds."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

Id = Annotated[
    str,
    Meta(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z",
        description="A UUID; the client makes it (UUIDv7) where a command has one.",
        examples=["01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"],
    ),
]

# Text never holds NUL: PostgreSQL cannot store it. Lengths here bound bytes spent; the exact rule (graphemes) is the domain's.
_NO_NUL = r"^[^\x00]*\Z"
Message = Annotated[str, Meta(max_length=4096, pattern=_NO_NUL)]
Word = Annotated[str, Meta(min_length=1, max_length=64, pattern=_NO_NUL)]
Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=_NO_NUL)]
Token = Annotated[str, Meta(min_length=1, max_length=4096, pattern=_NO_NUL)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]
Ref = Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[str, Meta(max_length=64, pattern=_NO_NUL)]
Time = Annotated[str, Meta(description="RFC 3339, UTC, milliseconds.", examples=["2026-01-31T12:00:00.000Z"])]

# Read from clients: any offset is taken, none is refused. What the server writes is `Time`.
Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset.")]
Ids = Annotated[list[Id], Meta(min_length=1, max_length=100)]
Emoji = Annotated[str, Meta(min_length=1, max_length=32, pattern=_NO_NUL, description="One emoji.")]
About = Annotated[str, Meta(max_length=1120, pattern=_NO_NUL, description="At most 280 characters.")]
