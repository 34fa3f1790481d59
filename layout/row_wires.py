"""Row wires: how far the bits of a row's adders travel along its strip.

An adder stands where the last of its bits arrives, so a bit's wire is as long as from the adder
that makes it to the farthest that takes it. Sums of the whole row go on to the accumulator at the
right end.

Contract (checked by ``tests/layout/test_row_wires.py``): together the wires are as long as the
plan's mean number of tracks says, or shorter.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from hnlpu.compression import Adder, Compression
from hnlpu.layout.floorplan import Floorplan

__all__ = ["compression_wires", "row_wires"]


def compression_wires(
    plan: Compression, places: Sequence[float], end: float
) -> Iterator[tuple[str, float]]:
    """``(wire, length)`` of every bit that a step makes, and of the inputs as ``in_{i}``.

    Parameters
    ----------
    plan : Compression
    places : sequence of float
        Of the inputs, along the strip.
    end : float
        Where the sums are wanted.
    """
    place = dict(enumerate(places))
    middle = (max(places) + min(places)) / 2
    names = {i: f"in_{i}" for i in range(plan.n_inputs)}
    reach: dict[int, float] = {}
    for i, step in enumerate(plan.steps):
        if isinstance(step, Adder):
            own = [place[bit] for bit in step.inputs]
            # Both halves are walked towards the middle.
            left, right = max(own) <= middle, min(own) >= middle
            here = max(own) if left else min(own) if right else middle
            taken: tuple[int, ...] = step.inputs
            place[step.sum] = place[step.carry] = here
            names[step.sum], names[step.carry] = f"{i}.sum", f"{i}.carry"
        else:
            taken = (step.input,)
            here = place[step.input]
            place[step.output] = here
            names[step.output] = f"cut_{step.output}"
        for bit in taken:
            reach[bit] = max(reach.get(bit, 0.0), abs(here - place[bit]))
    for output in plan.outputs:
        if output is not None:
            reach[output] = max(reach.get(output, 0.0), abs(end - place[output]))
    yield from ((names[bit], length) for bit, length in reach.items())


def row_wires(floorplan: Floorplan) -> Mapping[str, float]:
    """Length in um of the wires of a row, by the names that ``hnlpu.rtl.neuron`` gives them."""
    plan, stations = floorplan.plan, floorplan.stations
    widths = np.array([kind.width_nm for kind in stations.kinds])[stations.kind]
    centre = (stations.x_nm + widths / 2) / 1000
    named = np.array([kind.name for kind in stations.kinds])[stations.kind]
    bundles, constants = centre[named == "bundle"], centre[named == "constant"]
    end = stations.width_nm / 1000
    block = plan.superblock_count
    found: dict[str, float] = {}
    if block is None:
        places = [float(bundles[port // plan.n_taps]) for port in range(plan.n_ports)]
        ports = {f"in_{port}": f"port_{port}.y" for port in range(plan.n_ports)}
        prefix = "count"
    else:
        per = plan.superblock_bundles
        prefix, ports, places = "tree", {}, []
        for s in range(plan.n_superblocks):
            own = [float(bundles[s * per + i // plan.n_taps]) for i in range(block.n_inputs)]
            here = sum(own) / len(own)
            places += [here] * plan.shifted_bits
            inside = f"superblock_{s}"
            for name, length in compression_wires(block, own, here):
                wire = f"port_{name[3:]}.y" if name.startswith("in_") else f"count_{name}"
                found[f"{inside}.{wire}"] = length
            ports |= {
                f"in_{s * plan.shifted_bits + i}": f"superblock_{s}.count[{i}]"
                for i in range(plan.shifted_bits)
            }
    first = len(places)
    places += [float(x) for x in constants]
    ports |= {f"in_{first + i}": f"constant_{i}.y" for i in range(len(constants))}
    for name, length in compression_wires(plan.row_count, places, end):
        found[ports.get(name, f"{prefix}_{name}")] = length
    return found
