"""Hardware of a simulated system from the inputs of the cost model: the same values that the speed rules use."""

from collections.abc import Iterable, Mapping

from hnlpu.costmodel.consistent import Design, consistent_inputs, consistent_sheet
from hnlpu.costmodel.inputs import Inputs, at, read_inputs, set_inputs
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.measured import load_measured
from hnlpu.costmodel.workload import Workload
from hnlpu.grid_mapping import STAGES_PER_LAYER
from hnlpu.outline import ModelOutline
from hnlpu.silicon import ArraySilicon
from hnlpu.system_plan import Array, SystemHardware, SystemLink

__all__ = ["INPUTS", "hardware_from", "system_hardware"]

#: Inputs that no rule of the sheet needs, and their units.
INPUTS = {"link_flit_bytes": "B"}


def system_hardware(
    model: ModelOutline,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    work: Workload,
    design: Design,
    *,
    settings: Iterable[str] = (),
    link_credit_bytes: int | None = None,
) -> SystemHardware:
    """Hardware of ``design`` at the middle of every range.

    Parameters
    ----------
    design : Design
        With the chips of the grid.
    work : Workload
        That sizes the attention buffer of small models.
    settings : iterable of str
        ``KEY=VALUE`` of any input of consistent mode or of ``INPUTS``.

    Raises
    ------
    HnlpuError
        A bad entry or setting, or link parameters that cannot work.
    """
    given = tuple(settings)
    own = [item for item in given if item.partition("=")[0].strip() in INPUTS]
    # the grid's layers have six stages with and without experts: the buffer is sized for as many sequences
    rest = [f"stages_per_layer={STAGES_PER_LAYER}", *(item for item in given if item not in own)]
    inputs = consistent_inputs(
        model, arrays, work, design, toggles=load_measured().toggles, settings=rest
    )
    flit = set_inputs(read_inputs(DataFile("system.toml"), INPUTS), own)["link_flit_bytes"].value
    return hardware_from(
        model, arrays, inputs, design, int(flit), link_credit_bytes=link_credit_bytes
    )


def hardware_from(
    model: ModelOutline,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    inputs: Inputs,
    design: Design,
    flit_bytes: int,
    *,
    link_credit_bytes: int | None = None,
) -> SystemHardware:
    """Hardware of a sheet's inputs, at the middle of every range."""
    mid = {
        name: float(value)
        for name, value in consistent_sheet(design).evaluate(at(inputs, "mid")).items()
    }
    clock, fraction, chips = mid["clock"], mid["vex_fraction"], mid["chips"]
    hbm = mid["hbm_stacks"] * mid["hbm_needed"]
    used = {item.role: arrays[item.n_rows, item.n_columns] for item in model.linears}
    return SystemHardware(
        clock_hz=clock,
        vex_lanes=mid["vex_lanes"] * fraction,
        vex_macs_per_cycle=mid["vex_macs_per_cycle"] * fraction,
        vex_depth_cycles=round(mid["vex_depth"]),
        buffer_bytes=mid["buffer_bytes_per_chip"],
        buffer_bytes_per_cycle=mid["buffer_bandwidth"] * fraction / clock,
        hbm_bytes=max(hbm * mid["hbm_stack_bytes"] - mid["embedding_bytes"] / chips, 0.0),
        hbm_bytes_per_cycle=hbm * mid["hbm_bandwidth"] / clock,
        kv_number_bytes=mid["kv_number_bytes"],
        link_number_bytes=mid["link_number_bytes"],
        link=SystemLink.of(
            mid["link_bandwidth"] / clock,
            mid["link_latency"] * clock,
            flit_bytes,
            link_credit_bytes,
        ),
        arrays={
            role: Array(item.interval_cycles, item.latency_cycles) for role, item in used.items()
        },
    )
