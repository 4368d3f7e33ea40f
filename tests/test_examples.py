"""The data of the examples are what their README says."""

import csv
from pathlib import Path

import numpy as np
import pytest
import sympy

from kanlens import parse
from kanlens.cli import run

EXAMPLES = Path(__file__).parents[1] / "examples"
PLANETS = EXAMPLES / "planets.csv"


def test_every_planet_goes_round_the_sun() -> None:
    with PLANETS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    axis, eccentricity, mass, period = (
        np.array([float(row[name]) for row in rows]) for name in ("semi_major_axis", "eccentricity", "mass", "period")
    )
    assert len({row["name"] for row in rows}) == len(rows) >= 25
    assert np.all((eccentricity > 0) & (eccentricity < 1) & (mass > 0))
    np.testing.assert_allclose(period / axis**1.5, 1, atol=0.01)  # with 1 % of room: a typo shows, physics does not


LAWS = {
    "hubble": (["velocity"], "k0*distance", {"k0": (424, 1)}),
    "balmer": (["wavelength"], "k0*level**2/(level**2 - k1)", {"k0": (3646, 1), "k1": (4, 0.001)}),
    "ohm": (["force"], "k0/(k1 + length)", {"k0": (7285, 100), "k1": (20.25, 0.3)}),
    "boyle": (["pressure"], "k0/volume", {"k0": (1407, 3)}),
    "firas": (
        ["intensity"],
        "k0*wavenumber**3/(exp(k1*wavenumber) - 1)",
        {"k0": (39.729, 0.005), "k1": (1.438777 / 2.725, 1e-4)},
    ),
    "ideal_gas": (["pressure", "--loss", "relative"], "k0*amount*temperature/volume", {"k0": (8.314, 0.03)}),
    "pendulum": (["period"], "k0*sqrt(length)", {"k0": (2.006, 0.01)}),
    "resistors": (["current", "--loss", "relative"], "k0*voltage/resistance", {"k0": (1000, 10)}),
}
"""For each table the target, the law, and its constants with what they may be off."""


@pytest.mark.parametrize("name", ["hubble", *(pytest.param(n, marks=pytest.mark.slow) for n in LAWS if n != "hubble")])
def test_measurements_give_the_law(name: str, tmp_path: Path) -> None:
    (target, *options), law, constants = LAWS[name]
    table = str(EXAMPLES / f"{name}.csv")
    assert run(["fit", table, "--target", target, "--out", str(tmp_path), *options]) == 0
    found = parse((tmp_path / "formula.txt").read_text().partition("=")[2])
    free = sorted(constants)
    expected = parse(law)
    variables = sorted(expected.free_symbols - set(map(sympy.Symbol, free)), key=str)
    assert set(found.free_symbols) == set(variables)
    # the law with the constants that make it equal at as many points, and then equal everywhere
    points = [{v: sympy.Float(2.5 + 0.7 * k + 0.3 * j) for j, v in enumerate(variables)} for k in range(8)]
    equations = [expected.subs(p) - found.subs(p) for p in points[: len(free)]]
    solved = sympy.nsolve(equations, [sympy.Symbol(k) for k in free], [constants[k][0] for k in free])
    values = dict(zip(free, map(float, solved), strict=True))
    for point in points:
        assert float(expected.subs(values).subs(point)) == pytest.approx(float(found.subs(point)), rel=1e-6)
    for k, (size, off) in constants.items():
        assert values[k] == pytest.approx(size, abs=off)
