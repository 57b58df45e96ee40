"""Names, addresses and passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts import (
    NAME_MAX,
    check_email,
    check_name,
    check_password,
    check_password_bytes,
    check_username,
    guest_name,
)
from domain.errors import Invalid
from domain.ids import uuid7

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("email", ["ana@example.org", "a+b.c'd@sub.example.co", "  ANA@EXAMPLE.ORG "])
def test_addresses_are_stored_in_lower_case(email: str) -> None:
    assert check_email(email) == email.strip().lower()


@pytest.mark.parametrize(
    "email", ["", "ana", "@example.org", "ana@", "a@b", "a@@b.c", "a b@c.d", "a@b..c", "a@b.c\nd", "a\x00@b.c", "ä@b.c"]
)
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(Invalid):
        check_email(email)


@pytest.mark.parametrize("username", ["ana", "Ana_B", "a.b-c", "x" * 32, "007"])
def test_usernames_are_stored_in_lower_case(username: str) -> None:
    assert check_username(username) == username.lower()


@pytest.mark.parametrize("username", ["", "ab", "x" * 33, ".ana", "ana.", "a b", "añа", "ana\x00", "ana%"])
def test_what_is_no_username(username: str) -> None:
    with pytest.raises(Invalid):
        check_username(username)


def test_names_are_composed_and_trimmed() -> None:
    assert check_name(" Zoe\u0308 ") == "Zoë"
    assert check_name("👩‍🚀") == "👩‍🚀"
    assert check_name("مريم") == "مريم"


@pytest.mark.parametrize(
    "name", ["", "  ", "\u3164", "a\u200b", "a\tb", "a\u2028b", "\u202eb", "\ud800", "\u200d", "x" * 65]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(Invalid):
        check_name(name)


@given(st.text(max_size=80))
def test_a_name_that_passes_is_one_the_database_takes_and_passes_again(name: str) -> None:
    try:
        checked = check_name(name)
    except Invalid:
        return
    assert 1 <= len(checked) <= NAME_MAX
    assert "\x00" not in checked
    assert check_name(checked) == checked
    checked.encode()


@given(st.text(max_size=80))
def test_a_password_that_passes_is_read_whole_by_bcrypt(password: str) -> None:
    try:
        check_password(password)
    except Invalid:
        return
    assert len(password.encode()) <= 72
    assert "\x00" not in password
    assert len(password) >= 8


def test_a_password_for_log_in_may_be_short_but_never_long() -> None:
    check_password_bytes("a")
    with pytest.raises(Invalid, match="72 bytes"):
        check_password_bytes("é" * 37)


def test_guests_have_names() -> None:
    assert check_name(guest_name(uuid7(1))).startswith("Guest ")
