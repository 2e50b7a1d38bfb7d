"""The audit of a data set: what spoils training or flatters a figure, found before either."""

import importlib
from typing import TYPE_CHECKING

from fieldmark.audit.audit import audit_table
from fieldmark.audit.repair import ON_DEMAND, Repair, repair_table, save_repair

if TYPE_CHECKING:
    from fieldmark.audit.network import FrozenNetwork, network_from_run, network_from_weights

__all__ = [
    "ON_DEMAND",
    "FrozenNetwork",
    "Repair",
    "audit_table",
    "network_from_run",
    "network_from_weights",
    "repair_table",
    "save_repair",
]

#: Names whose module needs torch: an audit by hash alone doesn't load it.
_OF_NETWORKS = ("FrozenNetwork", "network_from_run", "network_from_weights")


def __getattr__(name: str) -> object:
    if name not in _OF_NETWORKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module("fieldmark.audit.network"), name)
    return value
