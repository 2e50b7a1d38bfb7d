"""From probabilities to a decision, in numpy.

Nothing here knows of tables, pictures or networks.
"""

from fieldmark.decide.risk import expected_costs, least_risk

__all__ = ["expected_costs", "least_risk"]
