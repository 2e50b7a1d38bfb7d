"""The audit of a data set: what spoils training or flatters a figure, found before either."""

from fieldmark.audit.audit import audit_table
from fieldmark.audit.repair import ON_DEMAND, Repair, repair_table, save_repair

__all__ = ["ON_DEMAND", "Repair", "audit_table", "repair_table", "save_repair"]
