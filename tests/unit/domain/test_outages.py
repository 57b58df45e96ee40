"""Windows that may be declared."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.outages import OUTAGE_DAYS_MAX, OUTAGE_WITHIN_DAYS, check_outage

pytestmark = pytest.mark.unit

TODAY = date(2026, 11, 21)


@given(st.integers(-400, 400), st.integers(-5, 40))
def test_what_may_be_declared(ahead: int, more: int) -> None:
    first = TODAY + timedelta(days=ahead)
    last = first + timedelta(days=more)
    is_near = abs(ahead) <= OUTAGE_WITHIN_DAYS and abs(ahead + more) <= OUTAGE_WITHIN_DAYS
    if 0 <= more < OUTAGE_DAYS_MAX and is_near:
        check_outage(first, last, TODAY)
    else:
        with pytest.raises(Invalid):
            check_outage(first, last, TODAY)
