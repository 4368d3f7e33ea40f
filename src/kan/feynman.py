"""The formulas of the Feynman benchmark, by pykan's numbers and names.

The formulas are those of S. Udrescu and M. Tegmark, *AI Feynman* (2020), checked against the lectures that they come
from. Where pykan's entry computes another function than its formula (20, 113, 114) it is the formula that counts here.
Ranges keep clear of poles and of square roots of negative numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sympy
import torch
from torch import Tensor

from kanlens.compiler import compile_formula
from kanlens.errors import InputError
from kanlens.expressions import parse

Range = tuple[float, float]
USUAL: Range = (1.0, 5.0)
SLOW: Mapping[str, Range] = {"v": (1, 2), "u": (1, 2), "c": (3, 10)}
"""Speeds below that of light."""


@dataclass(frozen=True)
class Problem:
    """Hold a formula as text, its variables in order, and the ranges that are not the usual one."""

    name: str
    variables: str
    text: str
    ranges: Mapping[str, Range] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Return the names of the variables."""
        return self.variables.split()

    def expression(self) -> sympy.Expr:
        """Return the formula."""
        return parse(self.text, names=self.names)


ANGLE: Range = (0.2, 3.0)
PROBLEMS = (
    Problem("I.6.20a", "theta", "exp(-theta**2/2)/sqrt(2*pi)", {"theta": (-3, 3)}),
    Problem(
        "I.6.20", "theta sigma", "exp(-(theta/sigma)**2/2)/(sqrt(2*pi)*sigma)", {"theta": (-1, 1), "sigma": (0.5, 2)}
    ),
    Problem(
        "I.6.20b",
        "theta theta1 sigma",
        "exp(-((theta - theta1)/sigma)**2/2)/(sqrt(2*pi)*sigma)",
        {"theta": (-1.5, 1.5), "theta1": (-1.5, 1.5), "sigma": (0.5, 2)},
    ),
    Problem(
        "I.8.4", "x1 x2 y1 y2", "sqrt((x2 - x1)**2 + (y2 - y1)**2)", dict.fromkeys(["x1", "x2", "y1", "y2"], (-1, 1))
    ),
    Problem(
        "I.9.18",
        "G m1 m2 x1 x2 y1 y2 z1 z2",
        "G*m1*m2/((x2 - x1)**2 + (y2 - y1)**2 + (z2 - z1)**2)",
        {"x1": (3, 4), "x2": (1, 2), "y1": (3, 4), "y2": (1, 2), "z1": (3, 4), "z2": (1, 2)},
    ),
    Problem("I.10.7", "m_0 v c", "m_0/sqrt(1 - v**2/c**2)", SLOW),
    Problem(
        "I.11.19",
        "x1 y1 x2 y2 x3 y3",
        "x1*y1 + x2*y2 + x3*y3",
        dict.fromkeys(["x1", "y1", "x2", "y2", "x3", "y3"], (-1, 1)),
    ),
    Problem("I.12.1", "mu N_n", "mu*N_n"),
    Problem("I.12.2", "q1 q2 epsilon r", "q1*q2/(4*pi*epsilon*r**2)"),
    Problem("I.12.4", "q1 epsilon r", "q1/(4*pi*epsilon*r**2)"),
    Problem("I.12.5", "q2 E_f", "q2*E_f"),
    Problem("I.12.11", "q E_f B v theta", "q*(E_f + B*v*sin(theta))"),
    Problem("I.13.4", "m v u w", "m*(v**2 + u**2 + w**2)/2"),
    Problem("I.13.12", "G m1 m2 r1 r2", "G*m1*m2*(1/r2 - 1/r1)"),
    Problem("I.14.3", "m g z", "m*g*z"),
    Problem("I.14.4", "k x", "k*x**2/2"),
    Problem("I.15.3x", "x u t c", "(x - u*t)/sqrt(1 - u**2/c**2)", SLOW),
    Problem("I.15.3t", "x u t c", "(t - u*x/c**2)/sqrt(1 - u**2/c**2)", SLOW),
    Problem("I.15.10", "m_0 v c", "m_0*v/sqrt(1 - v**2/c**2)", SLOW),
    Problem("I.16.6", "u v c", "(u + v)/(1 + u*v/c**2)", SLOW),
    Problem("I.18.4", "m1 r1 m2 r2", "(m1*r1 + m2*r2)/(m1 + m2)"),
    Problem("I.18.12", "r F theta", "r*F*sin(theta)"),
    Problem("I.18.16", "m r v theta", "m*r*v*sin(theta)"),
    Problem("I.24.6", "m omega omega_0 x", "m*(omega**2 + omega_0**2)*x**2/4"),
    Problem("I.25.13", "q C", "q/C"),
    Problem("I.26.2", "n theta2", "asin(n*sin(theta2))", {"n": (0, 0.99), "theta2": (0, 1.5)}),
    Problem("I.27.6", "d1 d2 n", "1/(1/d1 + n/d2)"),
    Problem("I.29.4", "omega c", "omega/c"),
    Problem(
        "I.29.16",
        "x1 x2 theta1 theta2",
        "sqrt(x1**2 + x2**2 - 2*x1*x2*cos(theta1 - theta2))",
        {"x1": (3, 5), "x2": (1, 2)},
    ),
    Problem("I.30.3", "I_0 theta n", "I_0*sin(n*theta/2)**2/sin(theta/2)**2", {"theta": (1, 5)}),
    Problem("I.30.5", "lamb n d", "asin(lamb/(n*d))", {"lamb": (1, 2), "n": (1.5, 5), "d": (2, 5)}),
    Problem("I.32.5", "q a epsilon c", "q**2*a**2/(6*pi*epsilon*c**3)"),
    Problem(
        "I.32.17",
        "epsilon c E_f r omega omega_0",
        "epsilon*c*E_f**2/2*(8*pi*r**2/3)*omega**4/(omega**2 - omega_0**2)**2",
        {"omega": (1, 2), "omega_0": (3, 5)},
    ),
    Problem("I.34.8", "q v B p", "q*v*B/p"),
    Problem("I.34.10", "omega_0 v c", "omega_0/(1 - v/c)", SLOW),
    Problem("I.34.14", "omega_0 v c", "omega_0*(1 + v/c)/sqrt(1 - v**2/c**2)", SLOW),
    Problem("I.34.27", "h omega", "h*omega/(2*pi)"),
    Problem("I.37.4", "I_1 I_2 delta", "I_1 + I_2 + 2*sqrt(I_1*I_2)*cos(delta)"),
    Problem("I.38.12", "m q h epsilon", "4*pi*epsilon*(h/(2*pi))**2/(m*q**2)"),
    Problem("I.39.10", "p V", "3*p*V/2"),
    Problem("I.39.11", "gamma p V", "p*V/(gamma - 1)", {"gamma": (1.5, 5)}),
    Problem("I.39.22", "n k T V", "n*k*T/V"),
    Problem("I.40.1", "n_0 m g x k T", "n_0*exp(-m*g*x/(k*T))"),
    Problem("I.41.16", "h omega c k T", "h/(2*pi)*omega**3/(pi**2*c**2*(exp(h*omega/(2*pi*k*T)) - 1))"),
    Problem("I.43.16", "mu q V d", "mu*q*V/d"),
    Problem("I.43.31", "m_b k T", "m_b*k*T"),
    Problem("I.43.43", "gamma k v A", "k*v/(A*(gamma - 1))", {"gamma": (1.5, 5)}),
    Problem("I.44.4", "n k T V1 V2", "n*k*T*log(V2/V1)"),
    Problem("I.47.23", "gamma p rho", "sqrt(gamma*p/rho)"),
    Problem("I.48.20", "m v c", "m*c**2/sqrt(1 - v**2/c**2)", SLOW),
    Problem("I.50.26", "x1 omega t alpha", "x1*(cos(omega*t) + alpha*cos(omega*t)**2)", {"omega": (1, 3), "t": (1, 3)}),
    Problem("II.2.42", "k T1 T2 A d", "k*(T2 - T1)*A/d"),
    Problem("II.3.24", "P r", "P/(4*pi*r**2)"),
    Problem("II.4.23", "q epsilon r", "q/(4*pi*epsilon*r)"),
    Problem("II.6.11", "epsilon p_d theta r", "p_d*cos(theta)/(4*pi*epsilon*r**2)"),
    Problem("II.6.15a", "epsilon p_d z x y r", "3*p_d*z*sqrt(x**2 + y**2)/(4*pi*epsilon*r**5)"),
    Problem("II.6.15b", "epsilon p_d r theta", "3*p_d*cos(theta)*sin(theta)/(4*pi*epsilon*r**3)"),
    Problem("II.8.7", "q epsilon d", "3*q**2/(20*pi*epsilon*d)"),
    Problem("II.8.31", "epsilon E_f", "epsilon*E_f**2/2"),
    Problem("II.10.9", "sigma epsilon chi", "sigma/(epsilon*(1 + chi))"),
    Problem(
        "II.11.3", "q E_f m omega_0 omega", "q*E_f/(m*(omega_0**2 - omega**2))", {"omega_0": (3, 5), "omega": (1, 2)}
    ),
    Problem("II.11.17", "n_0 p_d E_f theta k T", "n_0*(1 + p_d*E_f*cos(theta)/(k*T))"),
    Problem("II.11.20", "n_0 p_d E_f k T", "n_0*p_d**2*E_f/(3*k*T)"),
    Problem("II.11.27", "n alpha epsilon E_f", "n*alpha/(1 - n*alpha/3)*epsilon*E_f", {"n": (0, 1), "alpha": (0, 1)}),
    Problem("II.11.28", "n alpha", "1 + n*alpha/(1 - n*alpha/3)", {"n": (0, 1), "alpha": (0, 1)}),
    Problem("II.13.17", "epsilon c I r", "2*I/(4*pi*epsilon*c**2*r)"),
    Problem("II.13.23", "rho v c", "rho/sqrt(1 - v**2/c**2)", SLOW),
    Problem("II.13.34", "rho v c", "rho*v/sqrt(1 - v**2/c**2)", SLOW),
    Problem("II.15.4", "mu_M B theta", "-mu_M*B*cos(theta)"),
    Problem("II.15.5", "p_d E_f theta", "-p_d*E_f*cos(theta)"),
    Problem("II.21.32", "q epsilon r v c", "q/(4*pi*epsilon*r*(1 - v/c))", SLOW),
    Problem("II.24.17", "omega c d", "sqrt(omega**2/c**2 - pi**2/d**2)", {"omega": (4, 6), "c": (1, 2), "d": (2, 4)}),
    Problem("II.27.16", "epsilon c E_f", "epsilon*c*E_f**2"),
    Problem("II.27.18", "epsilon E_f", "epsilon*E_f**2"),
    Problem("II.34.2a", "q v r", "q*v/(2*pi*r)"),
    Problem("II.34.2", "q v r", "q*v*r/2"),
    Problem("II.34.11", "g q B m", "g*q*B/(2*m)"),
    Problem("II.34.29a", "q h m", "q*h/(4*pi*m)"),
    Problem("II.34.29b", "g mu_M B J h", "2*pi*g*mu_M*B*J/h"),
    Problem("II.35.18", "n_0 mu_M B k T", "n_0/(exp(mu_M*B/(k*T)) + exp(-mu_M*B/(k*T)))", {"k": (1, 3), "T": (1, 3)}),
    Problem("II.35.21", "n mu_M B k T", "n*mu_M*tanh(mu_M*B/(k*T))"),
    Problem("II.36.38", "mu_M H k T alpha epsilon c M", "mu_M*H/(k*T) + mu_M*alpha*M/(epsilon*c**2*k*T)"),
    Problem("II.37.1", "mu_M chi B", "mu_M*(1 + chi)*B"),
    Problem("II.38.3", "Y A x d", "Y*A*x/d"),
    Problem("II.38.14", "Y sigma", "Y/(2*(1 + sigma))"),
    Problem("III.4.32", "h omega k T", "1/(exp(h*omega/(2*pi*k*T)) - 1)"),
    Problem("III.4.33", "h omega k T", "h*omega/(2*pi*(exp(h*omega/(2*pi*k*T)) - 1))"),
    Problem("III.7.38", "mu_M B h", "4*pi*mu_M*B/h"),
    Problem("III.8.54", "E t h", "sin(2*pi*E*t/h)**2", {"E": (1, 2), "t": (1, 2), "h": (1, 4)}),
    Problem(
        "III.9.52",
        "p_d E_f t h omega omega_0",
        "2*pi*p_d*E_f*t/h*sin((omega - omega_0)*t/2)**2/((omega - omega_0)*t/2)**2",
        {"t": (1, 3), "omega": (1, 2), "omega_0": (3, 5)},
    ),
    Problem("III.10.19", "mu_M B_x B_y B_z", "mu_M*sqrt(B_x**2 + B_y**2 + B_z**2)"),
    Problem("III.12.43", "n h", "n*h/(2*pi)"),
    Problem("III.13.18", "E d k h", "4*pi*E*d**2*k/h"),
    Problem("III.14.14", "I_0 q V k T", "I_0*(exp(q*V/(k*T)) - 1)", {"q": (1, 2), "V": (1, 2)}),
    Problem("III.15.12", "U k d", "2*U*(1 - cos(k*d))"),
    Problem("III.15.14", "h E d", "(h/(2*pi))**2/(2*E*d**2)"),
    Problem("III.15.27", "alpha n d", "2*pi*alpha/(n*d)"),
    Problem("III.17.37", "beta alpha theta", "beta*(1 + alpha*cos(theta))"),
    Problem("III.19.51", "m q epsilon h n", "-m*q**4/(2*(4*pi*epsilon)**2*(h/(2*pi))**2*n**2)"),
    Problem("III.21.20", "rho q A m", "-rho*q*A/m"),
    Problem(
        "Rutherforld scattering",
        "Z_1 Z_2 alpha h c E theta",
        "(Z_1*Z_2*alpha*h*c/(8*pi*E*sin(theta/2)**2))**2",
        {"Z_1": (1, 2), "Z_2": (1, 2), "theta": (1, 3)},
    ),
    Problem(
        "Friedman equation",
        "G rho k_f c a_f",
        "sqrt(8*pi*G*rho/3 - k_f*c**2/a_f**2)",
        {"G": (1, 3), "rho": (1, 3), "k_f": (1, 2), "c": (1, 2), "a_f": (1, 3)},
    ),
    Problem("Compton scattering", "E m c theta", "E/(1 + E/(m*c**2)*(1 - cos(theta)))", {"E": (1, 3), "theta": ANGLE}),
    Problem(
        "Radiated gravitational wave power",
        "G c m_1 m_2 r",
        "-32*G**4/(5*c**5)*(m_1*m_2)**2*(m_1 + m_2)/r**5",
        {"G": (1, 2), "c": (1, 2), "r": (1, 2)},
    ),
    Problem(
        "Relativistic aberration",
        "theta_2 v c",
        "acos((cos(theta_2) - v/c)/(1 - v/c*cos(theta_2)))",
        {"theta_2": ANGLE, "v": (1, 3), "c": (4, 6)},
    ),
    Problem(
        "N-slit diffraction",
        "I_0 alpha delta n",
        "I_0*(sin(alpha/2)/(alpha/2)*sin(n*delta/2)/sin(delta/2))**2",
        {"alpha": (1, 3), "delta": (1, 3), "n": (1, 3)},
    ),
    Problem(
        "Goldstein 3.16",
        "m E U L r",
        "sqrt(2/m*(E - U - L**2/(2*m*r**2)))",
        {"m": (1, 3), "E": (8, 12), "U": (1, 3), "L": (1, 3), "r": (1, 3)},
    ),
    Problem(
        "Goldstein 3.55",
        "m k_G L E theta1 theta2",
        "m*k_G/L**2*(1 + sqrt(1 + 2*E*L**2/(m*k_G**2))*cos(theta1 - theta2))",
        {"m": (1, 3), "k_G": (1, 3), "L": (1, 3), "E": (1, 3), "theta1": (0, 6), "theta2": (0, 6)},
    ),
    Problem(
        "Goldstein 3.64 (ellipse)",
        "d alpha theta1 theta2",
        "d*(1 - alpha**2)/(1 + alpha*cos(theta1 - theta2))",
        {"d": (1, 3), "alpha": (0.2, 0.8), "theta1": (4, 5), "theta2": (4, 5)},
    ),
    Problem("Goldstein 3.74 (Kepler)", "d G m_1 m_2", "2*pi*d**(3/2)/sqrt(G*(m_1 + m_2))", {"d": (1, 3)}),
    Problem(
        "Goldstein 3.99",
        "epsilon E L m Z_1 Z_2 q",
        "sqrt(1 + 2*epsilon**2*E*L**2/(m*(Z_1*Z_2*q**2)**2))",
        dict.fromkeys(["epsilon", "E", "L", "m", "Z_1", "Z_2", "q"], (1, 3)),
    ),
    Problem("Goldstein 8.56", "m c p q A V", "sqrt((p - q*A)**2*c**2 + m**2*c**4) + q*V"),
    Problem("Goldstein 12.80", "m p omega x alpha y", "(p**2 + m**2*omega**2*x**2*(1 + alpha*y/x))/(2*m)"),
    Problem(
        "Jackson 2.11",
        "q epsilon y V d",
        "q/(4*pi*epsilon*y**2)*(4*pi*epsilon*V*d - q*d*y**3/(y**2 - d**2)**2)",
        {"y": (1, 3), "d": (4, 6)},
    ),
    Problem(
        "Jackson 3.45",
        "q epsilon r d alpha",
        "q/(4*pi*epsilon*sqrt(r**2 + d**2 - 2*d*r*cos(alpha)))",
        {"r": (1, 3), "d": (4, 6)},
    ),
    Problem("Jackson 4.60", "E_f theta alpha d r", "E_f*cos(theta)*(-r + d**3/r**2*(alpha - 1)/(alpha + 2))"),
    Problem(
        "Jackson 11.38 (Doppler)",
        "omega v c theta",
        "omega*sqrt(1 - v**2/c**2)/(1 + v/c*cos(theta))",
        {**SLOW, "theta": (0, 6)},
    ),
    Problem("Weinberg 15.2.1", "G c k_f a_f H", "3/(8*pi*G)*(c**2*k_f/a_f**2 + H**2)"),
    Problem("Weinberg 15.2.2", "G c k_f a_f H alpha", "-(c**4*k_f/a_f**2 + c**2*H**2*(1 - 2*alpha))/(8*pi*G)"),
    Problem(
        "Schwarz 13.132 (Klein-Nishina)",
        "alpha h m c omega omega_0 theta",
        "pi*alpha**2*(h/(2*pi))**2/(m**2*c**2)*(omega_0/omega)**2*(omega_0/omega + omega/omega_0 - sin(theta)**2)",
    ),
)
TEST = Problem("test", "x y", "(x + y)*sin(exp(2*y))", {"x": (-1, 1), "y": (-1, 1)})
OTHER_NAMES = {"I.10.9": 60}
"""pykan's name of a formula of the second volume."""


def get_feynman_dataset(
    name: int | str,
) -> tuple[tuple[sympy.Symbol, ...], sympy.Expr, Callable[[Tensor], Tensor], list[list[float]]]:
    """Return the variables, the formula, a function of inputs `(rows, variables)`, and the ranges of a problem.

    Parameters
    ----------
    name : int or str
        A number from 1 to 120, or a name such as `"I.8.4"`.

    Examples
    --------
    >>> variables, expression, f, ranges = get_feynman_dataset("I.16.6")
    >>> expression, f(torch.tensor([[1.0, 1.0, 1.0]]))
    ((u + v)/(1 + u*v/c**2), tensor([[1.]]))
    """
    problem = _find(name)
    expression = problem.expression()
    network = compile_formula(expression, problem.names, dtype=torch.float64).requires_grad_(requires_grad=False)

    def f(x: Tensor) -> Tensor:
        values: Tensor = network.to(x.device)(x.double())
        return values.to(x.dtype)

    ranges = [list(problem.ranges.get(variable, USUAL)) for variable in problem.names]
    return tuple(map(sympy.Symbol, problem.names)), expression, f, ranges


def _find(name: int | str) -> Problem:
    if isinstance(name, int) and 1 <= name <= len(PROBLEMS):
        return PROBLEMS[name - 1]
    if isinstance(name, str):
        by_name = {problem.name: problem for problem in reversed((*PROBLEMS, TEST))}
        short = {problem.name.split(" (")[0]: problem for problem in PROBLEMS}
        other = {old: PROBLEMS[number - 1] for old, number in OTHER_NAMES.items()}
        if found := {**other, **short, **by_name}.get(name):
            return found
    raise InputError(f"expected a number from 1 to {len(PROBLEMS)} or a name such as 'I.8.4', got {name!r}.")
