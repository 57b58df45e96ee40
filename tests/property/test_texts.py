"""Every text of every language, whatever the number and whatever people call themselves."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from domain.preferences import Preview
from workers.push.template_files import BODY_MAX_GRAPHEMES, TITLE_MAX_GRAPHEMES, TOPICS
from workers.push.texts import END, ISOLATE, Templates

pytestmark = pytest.mark.property

TEMPLATES = Templates.load()
STEERING = st.text(alphabet="a{}\u2066\u2068\u2069\u202e\u0301\u200d👩\n\x00 ", min_size=1, max_size=20)
NAMES = st.text(max_size=80) | STEERING | STEERING.map(lambda text: text * 40)
VALUES = {"days": "7", "title": "A title", "body": "A body"}


def check(text: str, limit: int) -> None:
    assert len(regex.findall(r"\X", text)) <= limit
    assert len(text.encode()) <= limit * 8
    depth = 0
    for char in text:
        depth += {ISOLATE: 1, END: -1}.get(char, 0)
        assert depth in {0, 1}
    assert depth == 0
    assert not regex.search(r"[\p{Cc}\u2066\u2067\u202a-\u202e]", text)


@pytest.mark.parametrize("language", TEMPLATES.languages())
@pytest.mark.parametrize("topic", TOPICS)
def test_every_number_has_its_text(topic: str, language: str) -> None:
    for number in range(201):
        for preview, people in ((Preview.GENERIC, 1), (Preview.NAME, 1), (Preview.NAME, number)):
            values = {**VALUES, "days": str(number)}
            text = TEMPLATES.render(topic, language, preview, number, ["Ana"], people, values)
            for part, limit in ((text.title, TITLE_MAX_GRAPHEMES), (text.body, BODY_MAX_GRAPHEMES)):
                assert part
                assert "{" not in part
                check(part, limit)
            is_named = preview is Preview.NAME and TOPICS[topic].has_actors
            assert (f"{ISOLATE}Ana{END}" in text.title + text.body) == is_named


@given(
    topic=st.sampled_from(["hug.received", "notice", *TOPICS]),
    language=st.sampled_from(["en", "ar"]) | st.text(max_size=8),
    preview=st.sampled_from(Preview),
    count=st.integers(0, 10**7),
    actors=st.lists(NAMES, max_size=3),
    people=st.integers(0, 10**7),
    title=NAMES,
    body=NAMES,
)
def test_whatever_people_call_themselves(
    topic: str, language: str, preview: Preview, count: int, actors: list[str], people: int, title: str, body: str
) -> None:
    values = {"days": str(count), "title": title, "body": body}
    text = TEMPLATES.render(topic, language, preview, count, actors, people, values)
    check(text.title, TITLE_MAX_GRAPHEMES)
    check(text.body, BODY_MAX_GRAPHEMES)
