"""Where a learning curve leads: a power law through its points, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
N_REFITS = 200
LEAST_SIZES = 4
LEAST_REACHING = 0.8
"""Share of the refits that must reach a goal before its number of images is told."""
FARTHEST = 20
"""A forecast beyond so many times the images says nothing."""


@dataclass(frozen=True)
class PowerLaw:
    """``error = scale * n ** -exponent + floor`` (Hestness and others 2017, arXiv:1712.00409)."""

    scale: float
    exponent: float
    floor: float

    def error(self, n: float) -> float:
        """Return the error with ``n`` training images."""
        return float(self.scale * n**-self.exponent + self.floor)

    def n_images(self, error: float) -> float:
        """Return how many training images have this error; infinity where none have."""
        if error <= self.floor or self.scale <= 0 or self.exponent <= 0:
            return float("inf")
        with np.errstate(over="ignore"):  # more images than a float can count
            return float(np.exp((np.log(self.scale) - np.log(error - self.floor)) / self.exponent))


@dataclass(frozen=True)
class Outlook:
    """What more images would bring.

    Attributes
    ----------
    law : PowerLaw
    gain : float
        By which the error falls with twice the images.
    gain_interval : (low, high)
        95 %, by refitting to draws of the points.
    n_images : int or None
        Training images for an error that is lower by the step; None where that cannot be said.
    n_images_interval : (low, high) or None
    """

    law: PowerLaw
    gain: float
    gain_interval: tuple[float, float]
    n_images: int | None = None
    n_images_interval: tuple[int, int] | None = None


def fit_power_law(sizes: Floats, errors: Floats, deviations: Floats) -> PowerLaw:
    """Fit a power law to mean errors, each weighted by its standard deviation."""
    from scipy.optimize import least_squares

    n_all = sizes[-1]

    def residuals(params: Floats) -> Floats:
        log_scale, exponent, floor = params
        fitted = np.exp(log_scale - exponent * np.log(sizes / n_all)) + floor
        return np.asarray((fitted - errors) / deviations)

    last = max(float(errors.min()), 1e-6)
    bounds = ([-20, 0.0, 0.0], [2, 2.0, last])
    start = [np.log(last / 2 + 1e-9), 0.5, last / 2]
    log_scale, exponent, floor = least_squares(residuals, start, bounds=bounds).x
    scale = float(np.exp(log_scale + exponent * np.log(n_all)))
    return PowerLaw(scale, float(exponent), float(floor))


def forecast(
    sizes: Sequence[int], draws: Sequence[Sequence[float]], step: float, random_state: int = 0
) -> Outlook | None:
    """Say what more images would bring.

    Parameters
    ----------
    sizes : sequence of int
        Training images, ascending.
    draws : sequence of sequence of float
        The errors of each size, one for each draw of images.
    step : float
        By how much the error should fall.
    random_state : int

    Returns
    -------
    Outlook or None
        None for fewer than four sizes: they cannot tell a power law from a line.
    """
    if len(sizes) < LEAST_SIZES:
        return None
    rng, n = np.random.default_rng(random_state), np.array(sizes, np.float64)
    means = np.array([np.mean(values) for values in draws])
    deviations = _deviations(draws, means)
    law = fit_power_law(n, means, deviations)
    refits = [
        fit_power_law(n, means + rng.normal(size=len(n)) * deviations, deviations)
        for _ in range(N_REFITS)
    ]
    gains = np.array([one.error(n[-1]) - one.error(2 * n[-1]) for one in refits])
    low, high = np.quantile(gains, [0.025, 0.975])
    gain = law.error(n[-1]) - law.error(2 * n[-1])
    needed = np.array([one.n_images(one.error(n[-1]) - step) for one in refits])
    reaching = needed < FARTHEST * n[-1]
    wanted = law.n_images(law.error(n[-1]) - step)
    if reaching.mean() < LEAST_REACHING or not wanted < FARTHEST * n[-1]:
        return Outlook(law, gain, (float(low), float(high)))
    ends = np.quantile(needed[reaching], [0.025, 0.975])
    return Outlook(
        law, gain, (float(low), float(high)), round(wanted), (round(ends[0]), round(ends[1]))
    )


def _deviations(draws: Sequence[Sequence[float]], means: Floats) -> Floats:
    """Return the standard error of each mean; of a single draw that of the size before it."""
    errors: list[float] = []
    for values in draws:
        if len(values) > 1:
            errors.append(float(np.std(values, ddof=1)) / np.sqrt(len(values)))
        else:
            errors.append(errors[-1] if errors else 0.0)
    least = max(1e-4, 0.01 * float(means.min()))
    return np.asarray(np.maximum(errors, least), np.float64)
