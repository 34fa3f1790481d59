"""Rows: which component is the row of a base, by architecture."""

from typing import Any

from hnlpu.base import ArrayPlan
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.merged_neuron import MergedNeuron
from hnlpu.rtl.neuron import Neuron
from hnlpu.rtl.paper_neuron import PaperNeuron
from hnlpu.taps import TapsPlan

__all__ = ["row_component"]


def row_component(plan: ArrayPlan) -> tuple[type[SharedComponent], Any]:
    """Component class and its parameters for the rows of ``plan``."""
    if isinstance(plan, TapsPlan):
        return Neuron, plan
    if isinstance(plan, PaperPlan):
        return PaperNeuron, plan
    if isinstance(plan, MergedPlan):
        return MergedNeuron, plan
    raise NotImplementedError(plan.arch)
