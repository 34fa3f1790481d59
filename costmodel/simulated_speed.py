"""Speed with a simulated system in place of the two rules of :data:`hnlpu.costmodel.speed.SYSTEM_RESULTS`.

A system is simulated with every input at its middle (:mod:`hnlpu.sim.system`). Away from the middle, and on another number
of chips than the grid that was simulated, the analytic rule is scaled by what the simulation found at the middle of the
same inputs: ranges and tornado go on following the inputs.
"""

from numpy import maximum

from hnlpu.costmodel.sheet import Rule, rule

__all__ = ["INPUTS", "RULES"]

#: Inputs of these rules and their units.
INPUTS = {"simulated_interval_ratio": "1", "simulated_path_ratio": "1"}

_SOURCE = "hnlpu simulate, see docs/system.md"


@rule("s/token", name="interval_limit", source=_SOURCE)
def _interval_limit(
    interval_arrays,
    interval_vex,
    interval_buffer,
    interval_hbm,
    interval_links,
    simulated_interval_ratio,
):
    """The longest of the resources' intervals x a simulated system's over it."""
    compute = maximum(interval_arrays, interval_vex)
    memory = maximum(interval_buffer, interval_hbm)
    return maximum(maximum(compute, memory), interval_links) * simulated_interval_ratio


@rule("s", name="token_path_s", source=_SOURCE)
def _token_path_s(
    token_path_arrays_s,
    token_path_vex_s,
    token_path_memory_s,
    token_path_links_s,
    simulated_path_ratio,
):
    """(arrays + VEX + memory + links) x a simulated system's time of a token over it."""
    path = token_path_arrays_s + token_path_vex_s + token_path_memory_s + token_path_links_s
    return path * simulated_path_ratio


#: In place of the analytic ones.
RULES: tuple[Rule, ...] = (_interval_limit, _token_path_s)
