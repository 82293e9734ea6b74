"""A selection onto a medium: plan, copy with proof, DICOMDIR last."""

from catalog.exporting.journey import Order, Outcome, export, plan_export
from catalog.exporting.plan import Item, LeftOut, Plan, make_plan

__all__ = ["Item", "LeftOut", "Order", "Outcome", "Plan", "export", "make_plan", "plan_export"]
