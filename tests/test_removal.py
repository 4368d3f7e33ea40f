"""Taking parts away, many at a time."""

from hypothesis import given
from hypothesis import strategies as st

from kanlens.removal import PATIENCE, take_away


@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=2))
def test_all_goes_that_can_go_in_few_trials(count: int, needed: set[int]) -> None:
    trials = []

    def without(left: frozenset[int], group: list[int]) -> frozenset[int] | None:
        trials.append(group)
        return None if needed & {*group} else left - {*group}

    parts = range(count)
    assert take_away(frozenset(parts), parts, without) == needed & {*parts}
    assert len(trials) <= 55


def test_it_ends_where_nothing_can_go() -> None:
    trials = []
    assert take_away("all", range(1000), lambda _, group: trials.append(group)) == "all"
    assert len(trials) == PATIENCE


def test_parts_go_from_the_first_on_and_each_once() -> None:
    gone: list[int] = []

    def without(state: int, group: list[int]) -> int:
        gone.extend(group)
        return state + len(group)

    assert take_away(0, range(100), without) == 100
    assert gone == list(range(100))
