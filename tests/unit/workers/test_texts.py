"""What pushes say: one, several from one, several people; in which language; and that names disturb nothing."""

import re
from pathlib import Path

import pytest

from domain.notifications import KINDS
from domain.preferences import Preview
from workers.push.template_files import TOPICS, load_languages
from workers.push.texts import END, ISOLATE, Templates, Text
from workers.reminders import GROUP_STARTING, REQUEST_EXPIRING, STREAK_AT_RISK

pytestmark = pytest.mark.unit

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "push.md"
GENERIC, NAME = Preview.GENERIC, Preview.NAME


def plain(text: str) -> str:
    return text.replace(ISOLATE, "").replace(END, "")


def body(topic: str, count: int, actors: tuple[str, ...] = (), people: int = 0, **how: str) -> str:
    preview = Preview(how.get("preview", NAME))
    return plain(Templates.load().render(topic, how.get("language", "en"), preview, count, actors, people).body)


def test_there_are_words_for_all_that_is_pushed() -> None:
    pushed = {name for name, kind in KINDS.items() if kind.is_pushed} - {"notification"}  # that says what it is about
    reminders = {STREAK_AT_RISK, GROUP_STARTING, REQUEST_EXPIRING}
    assert {*pushed, *reminders, "notice"} <= set(TOPICS)


def test_one_several_from_one_and_several_people() -> None:
    assert body("hug.received", 1, ("Ana",), 1) == "Ana hugged you."
    assert body("hug.received", 20, ("Ana",), 1) == "Ana hugged you 20 times."
    assert body("hug.received", 2, ("Ana", "Ben"), 2) == "Ana and 1 other hugged you."
    assert body("hug.received", 9, ("Ana", "Ben"), 4) == "Ana and 3 others hugged you."
    assert body("hug.received", 1200, ("Ana",), 1001) == "Ana and 1,000 others hugged you."


def test_a_generic_preview_names_nobody() -> None:
    assert body("hug.received", 1, ("Ana",), 1, preview="generic") == "Somebody hugged you."
    assert body("hug.received", 4, ("Ana", "Ben"), 2, preview="generic") == "You got 4 hugs."
    assert body("hug.received", 1, ("\u202e\n",), 1) == "Somebody hugged you."
    assert body("hug.received", 1, ()) == "Somebody hugged you."  # there is no name to be told


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "لا عناقات جديدة من Ana."),
        (1, "وصلك عناق من Ana."),
        (2, "وصلك عناقان من Ana."),
        (3, "وصلتك 3 عناقات من Ana."),
        (11, "وصلك 11 عناقًا من Ana."),
        (100, "وصلك 100 عناق من Ana."),
        (103, "وصلتك 103 عناقات من Ana."),
    ],
)
def test_all_six_forms_of_arabic(count: int, expected: str) -> None:
    assert body("hug.received", count, ("Ana",), 1, language="ar") == expected


def test_a_milestone_is_told_in_days_and_a_notice_in_its_own_words() -> None:
    templates = Templates.load()
    milestone = templates.render("streak.milestone", "ar", GENERIC, 1, values={"days": "30"})
    assert milestone.body == "30 يومًا من الإصغاء إلى نفسك."
    notice = templates.render("notice", "en", GENERIC, 1, values={"title": "News\x07", "body": "All {well}"})
    assert notice == Text(f"{ISOLATE}News{END}", f"{ISOLATE}All {{well}}{END}", "en")
    with pytest.raises(KeyError):
        templates.render("streak.milestone", "en", GENERIC, 1)
    with pytest.raises(KeyError):
        templates.render("hug.stolen", "en", GENERIC, 1)


@pytest.mark.parametrize(
    ("asked", "told"), [("ar-EG", "ar"), ("AR", "ar"), ("pt-BR", "en"), ("", "en"), ("en-GB-oxendict", "en")]
)
def test_the_closest_language_is_spoken(asked: str, told: str) -> None:
    assert Templates.load().render("streak.at_risk", asked, GENERIC, 1).language == told


def test_names_are_isolated_cut_and_rid_of_what_steers() -> None:
    render = Templates.load().render
    assert render("hug.received", "en", NAME, 1, ["Ana"], 1).body == f"{ISOLATE}Ana{END} hugged you."
    steering = "\u202eA\x00n\u2066a\u2069\n\u2069{count}"
    assert render("hug.received", "en", NAME, 1, [steering], 1).body == f"{ISOLATE}A na {{count}}{END} hugged you."
    family = "👨‍👩‍👧‍👦"
    assert render("hug.received", "en", NAME, 1, [family * 15], 1).body == f"{ISOLATE}{family * 15}{END} hugged you."
    long = render("hug.received", "en", NAME, 1, ["ä" * 65], 1).body
    assert long == f"{ISOLATE}{'ä' * 62}…{END} hugged you."


def test_long_texts_are_cut_between_graphemes_and_bounded_in_bytes() -> None:
    render = Templates.load().render
    accented = "e\u0301"
    text = render("notice", "en", GENERIC, 1, values={"title": "t" * 200, "body": accented * 500})
    assert text.title == f"{ISOLATE}{'t' * 97}…{END}"
    assert text.body == f"{ISOLATE}{accented * 237}…{END}"
    endless = render("notice", "en", GENERIC, 1, values={"title": "t", "body": "x" + "a" + "\u0301" * 5000})
    assert endless.body == f"{ISOLATE}x…{END}"


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_changes_single_topics_and_adds_languages(tmp_path: Path) -> None:
    write(
        tmp_path,
        "en.toml",
        '["streak.at_risk"]\ntitle = "Hello"\ngeneric = { one = "Hi", other = "Hi", "=5" = "Five" }\n',
    )
    write(tmp_path, "en-GB.toml", '["streak.at_risk"]\ntitle = "Hullo"\ngeneric = "Hi"\n')
    templates = Templates.load(tmp_path)
    assert templates.languages() == ["ar", "en", "en-gb"]
    assert templates.render("streak.at_risk", "en", GENERIC, 1).title == "Hello"
    assert templates.render("streak.at_risk", "en", GENERIC, 5).body == "Five"
    assert templates.render("streak.at_risk", "en-GB", GENERIC, 1).title == "Hullo"
    british = templates.render("hug.received", "en-GB", NAME, 1, ["Ana"], 1)
    assert british == Text("A hug for you", f"{ISOLATE}Ana{END} hugged you.", "en-gb")


def test_the_example_of_the_documentation_is_what_is_shipped(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    write(tmp_path, "en.toml", example)
    assert load_languages(tmp_path) == load_languages(None)


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        "en.toml",
        """
        "notice" = 3
        ["hug.stolen"]
        ["hug.received"]
        title = { one = "{actor}", few = "x" }
        generic = "{count!r} {0}"
        one_person = "{actor"
        persons = ""
        ["streak.at_risk"]
        title = "\\u2068a\\n"
        generic = 5
        ["account.notice"]
        title = " "
        generic = "%s"
        """.replace("%s", "x" * 241),
    )
    write(tmp_path, "de.toml", "")
    write(tmp_path, "pt.toml", "[")
    write(tmp_path, "qqq.toml", "")
    with pytest.raises(ValueError, match=r".") as caught:
        Templates.load(tmp_path)
    told = "\n".join(caught.value.args)
    for expected in (
        "en.toml: notice must be a table",
        "en.toml: hug.stolen is no topic; there are hug.received,",
        "en.toml: hug.received: title has no form for other",
        "en.toml: hug.received: title says {actor}, and can say only {count}",
        "en.toml: hug.received: title has a form few; this language has one, other, and =1 for a single number",
        "en.toml: hug.received: generic says {count}, and can say only {count}",
        "en.toml: hug.received: generic says {0}",
        "en.toml: hug.received: one_person has a brace without its other",
        "en.toml: hug.received: people is missing",
        "en.toml: hug.received: persons means nothing here; there are title, generic, one_person, people",
        "en.toml: streak.at_risk: title has isolates",
        "en.toml: streak.at_risk: title has control characters",
        "en.toml: streak.at_risk: generic must be a text",
        "en.toml: account.notice: title is empty",
        "en.toml: account.notice: generic has more than 240 characters",
        "de.toml: hug.received is missing",
        "pt.toml is not TOML",
        "qqq.toml: is not named after a language",
    ):
        assert expected in told, expected
    with pytest.raises(ValueError, match="cannot be read"):
        Templates.load(tmp_path / "nowhere")
