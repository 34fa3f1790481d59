"""Architectures by name: the way back from ``base.json`` to a plan."""

from collections.abc import Mapping
from typing import Any

from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan
from hnlpu.taps import TapsPlan

__all__ = ["ARCHITECTURES", "plan_from_dict"]

ARCHITECTURES: dict[str, type[ArrayPlan]] = {
    plan.arch: plan for plan in (TapsPlan, PaperPlan, MergedPlan)
}


def plan_from_dict(entry: Mapping[str, Any]) -> ArrayPlan:
    """The plan that :meth:`ArrayPlan.as_dict` wrote.

    Raises
    ------
    HnlpuError
        Unknown architecture, or parameters that it does not have.
    """
    parameters = dict(entry)
    arch = parameters.pop("arch", None)
    if arch not in ARCHITECTURES:
        raise HnlpuError(
            "unknown architecture",
            where="base.json",
            got=repr(arch),
            do=f"known are {', '.join(ARCHITECTURES)}; generate the bundle again",
        )
    try:
        return ARCHITECTURES[arch](**parameters)
    except TypeError as error:
        raise HnlpuError(
            "parameters are not those of the architecture",
            where=f"base.json: {arch}",
            got=str(error),
            do="generate the bundle again with this version",
        ) from error
