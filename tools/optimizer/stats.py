"""The little probability the engine needs, in closed form and vectorised."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# numpy's own inference of element types is too narrow to name: every array here holds floats.
Floats = np.ndarray[Any, np.dtype[Any]]


def normal_cdf(z: Floats) -> Floats:
    """Standard normal distribution function (Abramowitz & Stegun 26.2.17, error below 1e-7)."""
    x = np.abs(np.asarray(z, dtype=np.float64))
    t = 1.0 / (1.0 + 0.2316419 * x)
    poly = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = np.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi) * poly
    return np.where(np.asarray(z) >= 0, 1.0 - tail, tail)


def gamma_above(threshold: Floats, mean: Floats, shape: Floats) -> Floats:
    """P(G > threshold) for G ~ Gamma with that mean and shape (Wilson-Hilferty cube-root normal approximation)."""
    shape = np.maximum(shape, 1e-6)
    relative = np.maximum(threshold, 0.0) / np.maximum(mean, 1e-300)
    z = (np.cbrt(relative) - (1.0 - 1.0 / (9.0 * shape))) * 3.0 * np.sqrt(shape)
    return 1.0 - normal_cdf(z)


def gamma_quantile(mean: Floats, shape: Floats, z: float) -> Floats:
    """The quantile of Gamma(mean, shape) at the standard normal score z (Wilson-Hilferty), never below zero."""
    shape = np.maximum(shape, 1e-6)
    root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * np.sqrt(shape))
    return mean * np.maximum(root, 0.0) ** 3


def log_e_value(conversions: Floats, expected_at_break_even: Floats) -> Floats:
    """log e-value against "the rate is at least break-even", given conversions and what break-even would have brought.

    Under the null the likelihood ratio of any fixed lower rate is a supermartingale, and so is their mixture: the bound
    P(e >= 20) <= 1/20 holds however often one looks (Lindon & Malek 2022; Ville's inequality).
    """
    fractions = np.array([0.1, 0.25, 0.4, 0.55, 0.7, 0.85])
    logs = conversions[..., None] * np.log(fractions) + expected_at_break_even[..., None] * (1.0 - fractions)
    top = logs.max(axis=-1)
    return top + np.log(np.exp(logs - top[..., None]).mean(axis=-1))
