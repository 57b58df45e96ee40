"""What an account may be called and how it is locked: e-mail address, username, name, password.

Each check returns the form that is stored, so that nothing is compared in two spellings.
"""

import re
import unicodedata

from domain.errors import Invalid
from domain.hugs import count_graphemes

EMAIL_MAX = 254  # RFC 5321, section 4.5.3.1.3, without its angle brackets
USERNAME_MIN, USERNAME_MAX = 3, 32
NAME_MAX = 64
ABOUT_MAX_GRAPHEMES = 280
ABOUT_MAX = 1120  # code points, whatever the graphemes are made of
PASSWORD_MIN = 8
PASSWORD_MAX_BYTES = 72  # what bcrypt reads: more would be cut silently

# Deliberately loose: whether an address exists, only a message sent to it can tell.
_EMAIL = re.compile(r"[^@\s\x00-\x20\x7f]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_USERNAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")

# Controls, lone surrogates, unassigned, line and paragraph separators. Format characters (Cf) stay, for
# emoji need the zero-width joiner, but for those that turn the direction of the text around them; letters
# that are blank go too.
_REFUSED_CATEGORIES = {"Cc", "Cs", "Cn", "Co", "Zl", "Zp"}
_REFUSED = set(
    "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u115f\u1160\u2800\u3164\uffa0"
)


def check_email(email: str) -> str:
    """The address in lower case. Raises: Invalid."""
    email = email.strip().lower()
    if len(email) > EMAIL_MAX or not email.isascii() or not _EMAIL.fullmatch(email):
        raise Invalid("That is no e-mail address. It looks like ana@example.org, in plain ASCII.")
    return email


def check_username(username: str) -> str:
    """The username in lower case. Raises: Invalid."""
    username = username.strip().lower()
    if not USERNAME_MIN <= len(username) <= USERNAME_MAX or not _USERNAME.fullmatch(username):
        raise Invalid(
            f"A username has {USERNAME_MIN} to {USERNAME_MAX} characters: a–z, 0–9, and inside also dot, hyphen, underscore."
        )
    return username


def check_name(name: str) -> str:
    """The name that others see, composed (NFC) and without blanks around it. Raises: Invalid."""
    name = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise Invalid(f"A name has 1 to {NAME_MAX} characters.")
    if any(char in _REFUSED or unicodedata.category(char) in _REFUSED_CATEGORIES for char in name):
        raise Invalid("A name has no control characters.")
    if not any(unicodedata.category(char)[0] in "LNSP" for char in name):
        raise Invalid("A name has something to see in it.")
    return name


def check_about(about: str) -> str | None:
    """What somebody says of themselves, composed (NFC) and without blanks around it; None: nothing. Raises: Invalid."""
    about = unicodedata.normalize("NFC", about).strip()
    if len(about) > ABOUT_MAX or count_graphemes(about) > ABOUT_MAX_GRAPHEMES:
        raise Invalid(f"What you say about yourself has at most {ABOUT_MAX_GRAPHEMES} characters.")
    if any(char != "\n" and (char in _REFUSED or unicodedata.category(char) in _REFUSED_CATEGORIES) for char in about):
        raise Invalid("What you say about yourself has no control characters but line breaks.")
    return about or None


def check_password(password: str) -> str:
    """For a new password. Raises: Invalid."""
    check_password_bytes(password)
    if len(password) < PASSWORD_MIN:
        raise Invalid(f"A password has at least {PASSWORD_MIN} characters.")
    return password


def check_password_bytes(password: str) -> None:
    """For any password: what bcrypt would cut or stop at is refused. Raises: Invalid."""
    if len(password.encode()) > PASSWORD_MAX_BYTES:
        raise Invalid(f"A password has at most {PASSWORD_MAX_BYTES} bytes in UTF-8.")
    if "\x00" in password:
        raise Invalid("A password has no NUL characters.")


def guest_name(user: str) -> str:
    """What somebody anonymous is called who gave no name; *user* is their id."""
    return f"Guest {int(user[-6:], 16) % 10_000:04d}"
