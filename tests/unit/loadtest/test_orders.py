"""How people are dealt out to the processes of load."""

import argparse
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from loadtest.catalogue import find_scenario, scenario_names
from loadtest.clients.people import Person, people_with_friends
from loadtest.run import Plan, make_orders
from loadtest.scenario import Load, Orders, Scenario
from loadtest.scenarios.growth import GrowthLoad, steps

pytestmark = pytest.mark.unit

URL = "http://127.0.0.1:8080"
PLAN = Plan(seconds=1.0, warm_up_s=0.0, processes=1, hubs=2, is_pinned=False)


class Plain(Scenario):
    """A session for each of the people."""

    name: ClassVar[str] = "plain"
    summary: ClassVar[str] = ""
    load = Load

    def people(self) -> int:
        return int(self.options.sessions)


def people(count: int, pairs: bool = False) -> list[Person]:
    half = count // 2
    return [Person(str(n), f"token {n}", [str((n + half) % count)] if pairs else []) for n in range(count)]


def scenario(**options: Any) -> Scenario:
    return Plain(argparse.Namespace(**options))


def test_everybody_goes_to_exactly_one_process_and_none_gets_too_many() -> None:
    orders = make_orders(scenario(sessions=20_000), URL, people(20_001), PLAN)
    assert sorted(int(person.id) for each in orders for person in each.people) == list(range(20_000))
    assert max(len(each.people) for each in orders) <= 9_000
    assert [(each.index, each.children, each.hubs) for each in orders] == [(0, 3, 2), (1, 3, 2), (2, 3, 2)]


def test_many_sessions_to_one_port_come_from_several_addresses() -> None:
    few, many = (
        make_orders(scenario(sessions=count), URL, people(count), PLAN)[0].sources for count in (5_000, 50_000)
    )
    assert few == [""]
    assert many == [f"127.0.0.{number}" for number in range(2, 13)]
    elsewhere = make_orders(scenario(sessions=50_000), "http://hub.example:80", people(50_000), PLAN)
    assert elsewhere[0].sources == [""]


def test_too_few_people_are_told() -> None:
    with pytest.raises(ValueError, match="11 people are needed, there are 10"):
        make_orders(scenario(sessions=11), URL, people(10), PLAN)


def test_whoever_is_taken_from_more_has_her_friends_with_her() -> None:
    taken = people_with_friends(people(10, pairs=True), 4)
    assert [person.id for person in taken] == ["0", "1", "5", "6"]
    assert [person.id for person in people_with_friends(people(10), 4)] == ["0", "1", "2", "3"]


def test_only_what_json_can_say_goes_to_the_processes() -> None:
    orders = make_orders(scenario(sessions=1, rate="max", require=[object()], html=None), URL, people(1), PLAN)
    assert orders[0].options == {"sessions": 1, "rate": "max", "html": None}


def test_friends_who_hug_stay_together() -> None:
    hugs = find_scenario("hugs")(argparse.Namespace(rate=5_000.0, pairs=None))
    chosen = hugs.choose(people(14, pairs=True))
    assert len({person.id for person in chosen}) == 10
    shares: Sequence[Sequence[Person]] = hugs.share(chosen, 3)
    assert sum(map(len, shares)) == 10
    for share in shares:
        ids = {person.id for person in share}
        assert all(friend in ids for person in share for friend in person.friends)


def test_growth_shares_out_everybody_and_its_steps_end_where_they_should() -> None:
    growth = find_scenario("growth")(argparse.Namespace(sessions=11, pairs=2, rate=10.0))
    shares = growth.share(people(11 + 1, pairs=True)[:11], 3)
    assert sorted(int(person.id) for share in shares for person in share) == list(range(11))
    loads = [
        GrowthLoad(Orders("growth", URL, index, 3, 1, share, [""], {"pairs": 2})) for index, share in enumerate(shares)
    ]
    assert [len(load.hugging) for load in loads] == [2, 2, 0]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (1_000, 100_000, [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000]),
        (10, 40, [10, 20, 40]),
        (5, 5, [5]),
        (9, 5, [5]),
    ],
)
def test_growth_goes_in_steps(first: int, last: int, expected: list[int]) -> None:
    assert steps(first, last) == expected


@pytest.mark.parametrize("name", scenario_names())
def test_every_file_of_the_folder_is_a_scenario(name: str) -> None:
    found = find_scenario(name)
    assert found.name == name
    assert found.summary
    assert "  " not in found.summary


def test_pairs_are_found_among_people_with_many_friends() -> None:
    ring = [Person(str(n), "token", [str((n + step) % 10) for step in (1, 2, 8, 9)]) for n in range(10)]
    chosen = find_scenario("hugs")(argparse.Namespace(rate="max", pairs=2)).choose(ring)
    assert [person.id for person in chosen] == ["0", "1", "2", "3"]
