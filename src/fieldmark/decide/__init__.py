"""What may be relied on of scores: calibration, conformal sets, unknowns, certain ranks, risk, operating points.

Everything here is numpy: it neither knows pictures nor networks. Thresholds are fitted on rows that no weight was
learned from (``fit_rule``), kept as a ``DecisionRule`` and applied by ``Decider``.
"""

from fieldmark.decide.apply import Decider
from fieldmark.decide.fitting import HeldOut, RuleOptions, fit_rule
from fieldmark.decide.limits import limits_of
from fieldmark.decide.novelty import DEFAULT_SCORE, SCORES, Said
from fieldmark.decide.risk import expected_costs, least_risk
from fieldmark.decide.rule import DecisionRule, MeasureScale, OperatingPoint
from fieldmark.decide.temperature import fit_temperature, scaled_softmax

__all__ = [
    "DEFAULT_SCORE",
    "SCORES",
    "Decider",
    "DecisionRule",
    "HeldOut",
    "MeasureScale",
    "OperatingPoint",
    "RuleOptions",
    "Said",
    "expected_costs",
    "fit_rule",
    "fit_temperature",
    "least_risk",
    "limits_of",
    "scaled_softmax",
]
