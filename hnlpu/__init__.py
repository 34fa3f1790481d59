"""hnlpu: hardwired language models, from a checkpoint to verified RTL and a cost report.

The functions behind the command line are here too::

    import hnlpu
    hnlpu.generate("checkpoint", "bundle")
    hnlpu.readback("bundle", "checkpoint")["mismatches"]
    hnlpu.verify("bundle")["mismatches"]
    hnlpu.verify_chip("bundle")["mismatches"]
    hnlpu.evaluate("checkpoint")["rows"]
    hnlpu.draw_masks("bundle", "masks")["totals"]
    hnlpu.respin("bundle", "newer bundle")["remade"]
    hnlpu.damage_chips("bundle", "checkpoint")["rows"]
    hnlpu.estimate("bundle").headline["chips"].mid
    hnlpu.simulate(model="gpt-oss-120b").tokens_per_s
    hnlpu.write_report("bundle", "report")
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hnlpu.defects import DefectOptions, damage_chips
    from hnlpu.demonstration import demo
    from hnlpu.estimation import EstimateOptions, estimate
    from hnlpu.evaluation import EvaluateOptions, evaluate
    from hnlpu.exploration import ExploreOptions, explore
    from hnlpu.generator import GenerateOptions, generate
    from hnlpu.inspection import inspect
    from hnlpu.masks import LayoutOptions, draw_masks
    from hnlpu.reports.report import write_cost_report, write_report
    from hnlpu.reproduction import reproduce
    from hnlpu.requantization import quantize
    from hnlpu.respinning import RespinOptions, respin
    from hnlpu.session import run
    from hnlpu.simulation import SimulateOptions, simulate
    from hnlpu.verification.chip import verify_chip
    from hnlpu.verification.readback import readback
    from hnlpu.verification.verify import verify

__version__ = "0.1.0"
__all__ = [
    "DefectOptions",
    "EstimateOptions",
    "EvaluateOptions",
    "ExploreOptions",
    "GenerateOptions",
    "LayoutOptions",
    "RespinOptions",
    "SimulateOptions",
    "TimingOptions",
    "damage_chips",
    "demo",
    "draw_masks",
    "estimate",
    "evaluate",
    "explore",
    "generate",
    "inspect",
    "quantize",
    "readback",
    "reproduce",
    "respin",
    "run",
    "simulate",
    "time_bundle",
    "verify",
    "verify_chip",
    "write_cost_report",
    "write_report",
]

# In a checkout rtl/, sim/, ... lie beside this folder; an installed wheel has them inside it.
_checkout = Path(__file__).resolve().parents[1]
if not Path(__file__).with_name("rtl").is_dir() and (_checkout / "rtl" / "__init__.py").is_file():
    __path__.append(str(_checkout))

_HOME = {
    "DefectOptions": "hnlpu.defects",
    "EstimateOptions": "hnlpu.estimation",
    "EvaluateOptions": "hnlpu.evaluation",
    "ExploreOptions": "hnlpu.exploration",
    "GenerateOptions": "hnlpu.generator",
    "LayoutOptions": "hnlpu.masks",
    "RespinOptions": "hnlpu.respinning",
    "SimulateOptions": "hnlpu.simulation",
    "damage_chips": "hnlpu.defects",
    "TimingOptions": "hnlpu.timing",
    "demo": "hnlpu.demonstration",
    "draw_masks": "hnlpu.masks",
    "estimate": "hnlpu.estimation",
    "evaluate": "hnlpu.evaluation",
    "explore": "hnlpu.exploration",
    "generate": "hnlpu.generator",
    "inspect": "hnlpu.inspection",
    "quantize": "hnlpu.requantization",
    "readback": "hnlpu.verification.readback",
    "reproduce": "hnlpu.reproduction",
    "respin": "hnlpu.respinning",
    "run": "hnlpu.session",
    "simulate": "hnlpu.simulation",
    "time_bundle": "hnlpu.timing",
    "verify": "hnlpu.verification.verify",
    "verify_chip": "hnlpu.verification.chip",
    "write_cost_report": "hnlpu.reports.report",
    "write_report": "hnlpu.reports.report",
}


def __getattr__(name: str) -> Any:
    """Load a function when it is first used: ``import hnlpu`` stays quick."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
