"""A selection onto a medium: plan, copy with proof, DICOMDIR last."""

from catalog.exporting.item import Item, LeftOut
from catalog.exporting.journey import Order, Outcome, export, plan_export
from catalog.exporting.plan import Plan
from catalog.exporting.planning import make_plan

__all__ = ["Item", "LeftOut", "Order", "Outcome", "Plan", "export", "make_plan", "plan_export"]
