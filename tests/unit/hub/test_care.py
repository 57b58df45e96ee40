"""The file that says where to find help: what is shipped, what is refused, and that all is said at once."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from domain.care import VERIFIED_FOR_DAYS
from hub.care import Resource, load_resources, load_shipped, serving, stale_names, stale_warning

pytestmark = pytest.mark.unit

EVERYWHERE = '[[resources]]\nname = "Far"\nurl = "https://far.example"\nlast_verified = 2026-01-02\n'
GOOD = """
[[resources]]
name = "Near"
countries = ["GB", "IE"]
phone = "116 123"
text = "HELLO to 00000"
hours = "Mon-Fri 9-17"
languages = ["en", "pt-BR"]
last_verified = 2026-01-01
"""


def load(folder: Path, text: str) -> list[Resource]:
    path = folder / "care.toml"
    path.write_text(text, encoding="utf-8")
    return list(load_resources(path))


def problems(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ValueError, match=r".") as caught:
        load(folder, text)
    return caught.value.args


def test_what_is_shipped_is_good_and_serves_everybody() -> None:
    for country in (None, "US", "DE", "XX"):
        found = serving(load_shipped(), country)
        assert "https://findahelpline.com" in [each.url for each in found]
    assert [each.phone for each in serving(load_shipped(), "US")[:2]] == ["988", "911"]


def test_everything_is_read(tmp_path: Path) -> None:
    near, far = load(tmp_path, GOOD + EVERYWHERE)
    assert (near.countries, near.last_verified) == (("GB", "IE"), date(2026, 1, 1))
    assert (near.told.name, near.told.phone, near.told.text) == ("Near", "116 123", "HELLO to 00000")
    assert (near.told.hours, near.told.languages) == ("Mon-Fri 9-17", ["en", "pt-BR"])
    assert (near.told.url, near.told.last_verified) == (None, "2026-01-01")
    assert far.countries == ()


def test_those_of_the_country_come_first_in_the_order_of_the_file(tmp_path: Path) -> None:
    resources = load(tmp_path, EVERYWHERE + GOOD + GOOD.replace("Near", "Nearer"))
    assert [each.name for each in serving(resources, "IE")] == ["Near", "Nearer", "Far"]
    assert [each.name for each in serving(resources, "FR")] == ["Far"]
    assert [each.name for each in serving(resources, None)] == ["Far"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('name = ""', "name"),
        ('name = "two\\nlines"', "name"),
        ("phone = 988", "phone"),
        ('phone = "call us"', "phone"),
        ('text = " 988"', "text"),
        (f'hours = "{"x" * 161}"', "hours"),
        ('url = "http://plain.example"', "url"),
        ('url = "https://"', "url"),
        ('url = "https://a b.example"', "url"),
        ('url = "https://[half"', "url"),
        ("countries = []", "countries"),
        ('countries = "GB"', "countries"),
        ('countries = ["gb"]', "countries"),
        ('countries = ["GB", "GB"]', "countries"),
        ('countries = ["UK"]', "countries"),
        ('languages = ["English"]', "languages"),
        ('last_verified = "2026-01-01"', "last_verified"),
        ("last_verified = 2026-01-01T00:00:00Z", "last_verified"),
        ("last_verified = 9999-01-01", "last_verified"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(tmp_path: Path, line: str, name: str) -> None:
    kept = [kept for kept in GOOD.splitlines() if not kept.startswith(f"{name} ")]
    (problem,) = problems(tmp_path, "\n".join([*kept, line, EVERYWHERE]))
    assert problem.startswith("resource 1")
    assert f": {name} must be " in problem


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        'version = 2\n[[resources]]\nname = "Half"\ncountries = ["UK"]\nfax = "1"\n'
        "[[resources]]\nphone = 1\nlast_verified = 2026-01-01\ncountries = ['FR']\n",
    )
    assert found == (
        "says version, which means nothing here",
        "resource 1 (Half): fax means nothing here",
        "resource 1 (Half): last_verified is missing",
        "resource 1 (Half): needs one of phone, text, url",
        "resource 1 (Half): countries must be a list of ISO 3166-1 codes: GB, not UK",
        "resource 2: name is missing",
        'resource 2: phone must be a number as it is dialled, in quotes, such as "116 123"',
        "must have at least one resource without countries, which serves everywhere",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("resources = 3", "under [[resources]]"),
        ("resources = [1]", "under [[resources]]"),
        ("", "under [[resources]]"),
        ("[[resources]", "is not TOML"),
        ("resources = []", "without countries"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(tmp_path, text)
    assert problem in found


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        load_resources(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(ValueError, match="is not TOML"):
        load_resources(tmp_path / "latin.toml")


def test_what_nobody_has_verified_for_long_is_told(tmp_path: Path) -> None:
    resources = load(tmp_path, GOOD + EVERYWHERE)
    last = date(2026, 1, 1) + timedelta(days=VERIFIED_FOR_DAYS)
    assert stale_warning(resources, last) is None
    assert stale_names(resources, last + timedelta(days=1)) == ["Near (GB, IE, 2026-01-01)"]
    assert "1 of 2" in (stale_warning(resources, last + timedelta(days=1)) or "")
    assert stale_names(resources, last + timedelta(days=2))[1] == "Far (everywhere, 2026-01-02)"
