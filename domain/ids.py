"""UUIDv7 (RFC 9562, section 5.7): ids that sort by the millisecond they were made in."""

import os


def uuid7(now_ms: int, noise: int | None = None) -> str:
    """A new id as canonical lower-case text. *now_ms*: Unix time in milliseconds.

    *noise*: 80 bits in place of random ones, for ids that must come out the same again.
    """
    low = int.from_bytes(os.urandom(10)) if noise is None else noise
    value = (now_ms & 0xFFFF_FFFF_FFFF) << 80 | low
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7_ms(uid: str) -> int:
    """The Unix time in milliseconds an id was made in; meaningless for ids of other versions."""
    return int(uid[:8] + uid[9:13], 16)
