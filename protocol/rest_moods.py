"""The bodies, queries and replies of moods, streaks, patterns and care."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

from protocol.commands import MoodLog
from protocol.fields import Id, Instant, Time, Word
from protocol.moods import Amount, Factors, MoodNote, Part, Tags, Visibility
from protocol.parts import UserRef
from protocol.rest import Body, PageQuery, Query

Day = Annotated[date, Meta(description="A local date: YYYY-MM-DD.")]


class MoodBatch(Body, frozen=True):
    """What was felt while there was no connection."""

    moods: Annotated[list[MoodLog], Meta(min_length=1, max_length=100)]


class WaitQuery(Query, frozen=True):
    """`wait=1`: answer when it is saved, or after 10 s."""

    wait: Annotated[int, Meta(ge=0, le=1)] = 0


class MoodResult(Struct, frozen=True, omit_defaults=True):
    """What became of one of a batch. `state`: queued, or saved where that was waited for; else a code and a message."""

    id: str
    state: str | None = None
    code: str | None = None
    message: str | None = None


class MoodResults(Struct, frozen=True):
    """In the order in which they were sent."""

    moods: list[MoodResult]


class MoodEdit(Body, frozen=True):
    """What is left out stays; null takes away. When it was felt, and where, cannot be changed. A new word without
    a place takes that of the vocabulary."""

    mood: Word | UnsetType = UNSET
    valence: Part | UnsetType = UNSET
    arousal: Part | UnsetType = UNSET
    intensity: Amount | UnsetType | None = UNSET
    note: MoodNote | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    factors: Factors | UnsetType = UNSET
    visibility: Visibility | UnsetType = UNSET


class Mood(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry. To others than its owner: no note, tags, factors and zone."""

    id: str
    mood: str
    valence: float
    arousal: float
    felt_at: Time
    visibility: Visibility
    user: UserRef | None = None  # whose it is, when it is not one's own
    local_date: str | None = None
    timezone: str | None = None
    intensity: float | None = None
    note: str | None = None
    tags: list[str] = field(default_factory=list)
    factors: dict[str, float | bool] = field(default_factory=dict)
    in_streak: bool | None = None
    edited_at: Time | None = None


class MoodWord(Struct, frozen=True):
    """A word of the vocabulary: how pleasant it is, how much energy it has, both from −1 to 1, and in which quadrant."""

    mood: str
    valence: float
    arousal: float
    quadrant: str


class MoodWords(Struct, frozen=True):
    """The vocabulary. Other words can be logged, too, with a place of their own."""

    words: list[MoodWord]


class MoodQuery(PageQuery, frozen=True):
    """Whose moods (one's own if left out; `shared`: those of all friends and people one follows), and which."""

    user: Id | None = None
    shared: bool = False
    since: Instant | None = None
    until: Instant | None = None
    mood: Word | None = None
    tag: Word | None = None


class Period(StrEnum):
    """How long a bucket of statistics is."""

    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"


class MoodStatsQuery(Query, frozen=True):
    """Local dates, both included: at most 3 years. Left out: the last 30 days."""

    first: Day | None = None
    last: Day | None = None
    by: Period = Period.WEEK


class Spread(Struct, frozen=True):
    """Mean and standard deviation (of a sample; null below two)."""

    mean: float
    deviation: float | None


class Share(Struct, frozen=True):
    """How often something was there."""

    name: str
    count: int


class MoodStats(Struct, frozen=True, kw_only=True):
    """One period. `quadrants`: shares of 1 by quadrant; `words` and `tags`: the ten most frequent."""

    first: str
    last: str
    count: int
    days: int  # on which something was logged
    valence: Spread | None
    arousal: Spread | None
    quadrants: dict[str, float]
    words: list[Share]
    tags: list[Share]


class MoodStatsReply(Struct, frozen=True, kw_only=True):
    """`total` of all, and every period in which something was logged, in order."""

    by: Period
    total: MoodStats
    periods: list[MoodStats]


class Resolution(StrEnum):
    """How long a bucket of the timeline is."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class TimelineQuery(Query, frozen=True):
    """Local dates, both included. `by` left out: what gives about 100 buckets."""

    first: Day | None = None
    last: Day | None = None
    by: Resolution | None = None


class Bucket(Struct, frozen=True):
    """Ready to draw: when it begins on local clocks, how many entries, means and extremes of valence, mean of arousal."""

    at: str  # 2026-11-21 or 2026-11-21T14:00
    count: int
    valence: float
    lowest: float
    highest: float
    arousal: float


class Timeline(Struct, frozen=True):
    """Buckets in order; those without an entry are left out."""

    by: Resolution
    buckets: list[Bucket]


class StreakQuery(Query, frozen=True):
    """Which month of the calendar, as YYYY-MM; left out: this one."""

    month: Annotated[str, Meta(pattern=r"^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])\Z")] | None = None


class StreakDay(Struct, frozen=True):
    """What a date is: logged, frozen, free (frozen for nothing) or repaired."""

    date: str
    state: str


class StreakView(Struct, frozen=True, kw_only=True):
    """The streak as of today in the time zone of the latest entry, and the days of one month."""

    today: str
    timezone: str | None
    current: int
    longest: int
    at_risk: bool
    freezes: int
    next_milestone: int | None
    may_repair: list[str]  # dates that could be repaired now
    month: str
    days: list[StreakDay]


class Repair(Body, frozen=True):
    """Repair one missed date."""

    date: Day


class Strength(StrEnum):
    """How much there is to go by."""

    EARLY_HINT = "early_hint"  # 21 to 59 paired days
    PATTERN = "pattern"  # from 60


class MoodPattern(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that goes with the valence of the same days; what causes what, nobody can say from this."""

    kind: str  # factor or tag
    name: str
    strength: Strength
    rho: float
    days: int  # paired
    sentence: str  # in English, to be shown as it is
    difference: float | None = None  # of the means, with and without; only where it is there or not
    days_with: int | None = None
    days_without: int | None = None


class MoodPatterns(Struct, frozen=True, kw_only=True):
    """The newest that were worked out. `days`: local days with an entry; `computed_at` null: not yet."""

    computed_at: Time | None
    days: int
    needed: int  # days before there can be any
    patterns: list[MoodPattern]


class CareQuery(Query, frozen=True):
    """Country as ISO 3166-1 alpha-2; left out: every resource that serves everywhere."""

    country: Annotated[str, Meta(pattern=r"^[A-Za-z]{2}\Z")] | None = None


class CareResource(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody to talk to."""

    name: str
    last_verified: str
    phone: str | None = None
    text: str | None = None
    url: str | None = None
    hours: str | None = None
    languages: list[str] = field(default_factory=list)


class Care(Struct, frozen=True, kw_only=True):
    """`prompt`: would a gentle word be in place now? Asking does not use it up; `POST /v1/care/shown` does."""

    country: str | None
    resources: list[CareResource]
    prompt: bool
