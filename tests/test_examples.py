"""The data of the examples are what their README says."""

import csv
from pathlib import Path

import numpy as np

PLANETS = Path(__file__).parents[1] / "examples" / "planets.csv"


def test_every_planet_goes_round_the_sun() -> None:
    with PLANETS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    axis, eccentricity, mass, period = (
        np.array([float(row[name]) for row in rows]) for name in ("semi_major_axis", "eccentricity", "mass", "period")
    )
    assert len({row["name"] for row in rows}) == len(rows) >= 25
    assert np.all((eccentricity > 0) & (eccentricity < 1) & (mass > 0))
    np.testing.assert_allclose(period / axis**1.5, 1, atol=0.01)  # with 1 % of room: a typo shows, physics does not
