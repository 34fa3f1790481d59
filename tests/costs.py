"""Arrays of whole models without synthesis, and consistent mode on the paper's model."""

from collections.abc import Mapping
from typing import Any

from hnlpu.costmodel.consistent import Design, consistent_inputs, consistent_sheet
from hnlpu.costmodel.inputs import Inputs, at
from hnlpu.costmodel.measured import load_measured
from hnlpu.costmodel.presets import outline_preset
from hnlpu.costmodel.workload import Workload, parse_workload
from hnlpu.outline import ModelOutline
from hnlpu.silicon import ArraySilicon

Arrays = dict[tuple[int, int], ArraySilicon]


def measured_arrays(model: ModelOutline) -> Arrays:
    """Every array of ``model``, from the committed counts."""
    rows = {key.n_columns: count for key, count in load_measured().rows.items()}
    return {
        (item.n_rows, item.n_columns): rows[item.n_columns].array(item.n_rows)
        for item in model.linears
    }


class Consistent:
    """Consistent mode of one model, node and workload, at the middle of every range."""

    def __init__(
        self, model: str = "gpt-oss-120b", workload: str = "full", design: Design = Design()
    ) -> None:
        self.model, self.design = outline_preset(model), design
        self.workload: Workload = parse_workload(workload)
        self.sheet = consistent_sheet(design)
        self.inputs: Inputs = consistent_inputs(
            self.model, measured_arrays(self.model), self.workload, design,
            toggles=load_measured().toggles,
        )  # fmt: skip

    def __call__(self, **changed: float) -> Mapping[str, Any]:
        """Every figure; ``changed`` are inputs in coherent units."""
        assert changed.keys() <= set(self.sheet.inputs), changed
        return self.sheet.evaluate({**at(self.inputs, "mid"), **changed})
