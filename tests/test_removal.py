"""Taking parts away, many at a time."""

from hypothesis import given
from hypothesis import strategies as st

from kanlens.pace import FIRST, Pace
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


def test_groups_grow_again_after_one_whose_parts_went_one_by_one() -> None:
    sizes = []

    def without(state: int, group: list[int]) -> int | None:
        sizes.append(len(group))
        return None if len(group) > 1 and 2 in group else state + len(group)

    assert take_away(0, range(1000), without) == 1000
    assert len(sizes) < 20


def test_parts_go_from_the_first_on_and_each_once() -> None:
    gone: list[int] = []

    def without(state: int, group: list[int]) -> int:
        gone.extend(group)
        return state + len(group)

    assert take_away(0, range(100), without) == 100
    assert gone == list(range(100))


@given(st.floats(0.1, 0.9), st.floats(1e-8, 0.5), st.integers(5, 30))
def test_a_trial_that_slows_down_evenly_is_never_given_up_if_it_arrives(rate: float, wanted: float, steps: int) -> None:
    values = [(1 + wanted) * rate**step for step in range(1, steps + 1)]
    pace = Pace(wanted, steps)
    given_up = [pace.falls_short(step, value) for step, value in enumerate(values, 1)]
    assert values[-1] > wanted or not any(given_up)


def test_a_trial_ends_when_it_no_longer_falls_fast_enough_or_at_once_where_there_is_no_hope() -> None:
    values = [9.0, 4.0, 2.0, 1.9, 1.88, 1.87]
    for pace, ended in ((Pace(0.1, 20), 5), (Pace(0.1, 20, hopeless=1.95), FIRST)):
        found = [pace.falls_short(step, value) for step, value in enumerate(values, 1)]
        assert found.index(True) + 1 == ended


def test_what_keeps_splines_smooth_is_no_error() -> None:
    pace, smooth = Pace(1e-12, 8), 1e-10
    errors = [1e-9, 1e-11, 5e-13, 4e-13, 4e-13, 4e-13]
    assert not any(pace.falls_short(k, e + smooth, lambda e=e: e) for k, e in enumerate(errors, 1))
