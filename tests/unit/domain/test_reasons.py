"""Words for why somebody was not disturbed."""

from domain.notifications import Reason
from domain.reasons import WORDS, Trouble, in_words


def test_every_reason_has_words() -> None:
    assert set(WORDS) == {*Reason, *Trouble}
    assert len(set(WORDS.values())) == len(WORDS)


def test_what_is_no_reason_stays() -> None:
    assert in_words("quiet_hours") == "quiet hours"
    assert in_words("the moon") == "the moon"
    assert in_words(None) is None
