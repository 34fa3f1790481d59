"""An array as a compiled model inside a larger simulation.

The array is a Verilator model of its own; in the chip stands a module of the same ports that calls it. Verilator
evaluates combinational logic of a clock's domain at every edge, changed or not, and an array is large: so the
model is evaluated only where its inputs changed, or its clock had an edge.

At an edge the model sees the inputs as they were before it; what it gives then follows in the same time step,
as from any other register (``tick`` is what the simulator waits for).
"""

import re

from hnlpu.errors import HnlpuError

__all__ = ["wrapped_array"]

_INPUTS = ("rst", "x_valid", "y_ready", "x")
_OUTPUTS = ("x_ready", "y_valid", "y", "row_exponents")


def wrapped_array(module: str, metal: str) -> tuple[str, str]:
    """SystemVerilog of the module that stands for the array, and the C++ between it and the model.

    Parameters
    ----------
    module : str
    metal : str
        Verilog of the array's metal, whose ports are taken over.

    Raises
    ------
    HnlpuError
        A port is missing.
    """
    widths = {}
    for name in ("clk", *_INPUTS, *_OUTPUTS):
        found = re.search(rf"^  (?:input|output) (?:\[(\d+):0\] )?{name};", metal, re.MULTILINE)
        if found is None:
            raise HnlpuError(
                "array has no such port",
                where=module,
                got=f"no {name}",
                do="generate the bundle again",
            )
        widths[name] = int(found[1] or 0) + 1
    return _wrapper(module, widths), _glue(module, widths)


def _wrapper(module: str, widths: dict[str, int]) -> str:
    def declared(name: str) -> str:
        return f"[{widths[name] - 1}:0] {name}" if widths[name] > 1 else name

    def arguments(direction: str, names: tuple[str, ...]) -> str:
        return "".join(f", {direction} bit {declared(name)}_" for name in names)

    inputs, outputs = ", ".join(_INPUTS), ", ".join(_OUTPUTS)
    return f"""\
module {module}(
  input clk,
{"".join(f"  input {declared(name)},{chr(10)}" for name in _INPUTS)}\
{f",{chr(10)}".join(f"  output bit {declared(name)}" for name in _OUTPUTS)}
);
  import "DPI-C" function chandle {module}__new();
  import "DPI-C" function void {module}__edge(input chandle model{arguments("input", _INPUTS)});
  import "DPI-C" function void {module}__outputs(
    input chandle model, input bit tick_{arguments("input", _INPUTS)}{arguments("output", _OUTPUTS)});
  chandle model;
  bit tick;
  initial model = {module}__new();
  always @(posedge clk) begin
    {module}__edge(model, {inputs});
    tick <= ~tick;
  end
  always @* {module}__outputs(model, tick, {inputs}, {outputs});
endmodule
"""


def _glue(module: str, widths: dict[str, int]) -> str:
    def kind(name: str, direction: str) -> str:
        wide = widths[name] > 1
        if direction == "in":
            return f"const svBitVecVal* {name}" if wide else f"svBit {name}"
        return f"svBitVecVal* {name}" if wide else f"svBit* {name}"

    def is_array(name: str) -> bool:
        return widths[name] > 64  # how Verilator keeps a port

    def take(name: str) -> str:
        """Put an input into the model, and see whether it changed."""
        words = -(-widths[name] // 32)
        if is_array(name):
            size = f"{words} * sizeof(svBitVecVal)"
            return (
                f"  if (std::memcmp(&model->{name}[0], {name}, {size})) {{ "
                f"std::memcpy(&model->{name}[0], {name}, {size}); changed = true; }}\n"
            )
        value = name
        if widths[name] > 1:
            value = f"{name}[0]" if words == 1 else f"({name}[0] | (QData){name}[1] << 32)"
        return f"  if (model->{name} != {value}) {{ model->{name} = {value}; changed = true; }}\n"

    def give(name: str) -> str:
        words = -(-widths[name] // 32)
        if is_array(name):
            return f"  std::memcpy({name}, &model->{name}[0], {words} * sizeof(svBitVecVal));\n"
        if widths[name] == 1:
            return f"  *{name} = model->{name};\n"
        return "".join(f"  {name}[{i}] = model->{name} >> {32 * i};\n" for i in range(words))

    inputs = ", ".join(kind(name, "in") for name in _INPUTS)
    outputs = ", ".join(kind(name, "out") for name in _OUTPUTS)
    names = ", ".join(_INPUTS)
    return f"""\
#include <cstring>
#include "V{module}.h"
#include "svdpi.h"
namespace {{
struct Array {{
  V{module} model{{"{module}"}};  // in the context of the chip
  bool stale = true;
}};
bool take(V{module}* model, {inputs}) {{
  bool changed = false;
{"".join(take(name) for name in _INPUTS)}  return changed;
}}
}}
extern "C" void* {module}__new() {{ return new Array; }}
extern "C" void {module}__edge(void* handle, {inputs}) {{
  Array* array = static_cast<Array*>(handle);
  if (take(&array->model, {names}) || array->stale) array->model.eval();
  array->model.clk = 1;
  array->model.eval();
  array->model.clk = 0;
  array->stale = true;
}}
extern "C" void {module}__outputs(void* handle, svBit, {inputs}, {outputs}) {{
  Array* array = static_cast<Array*>(handle);
  V{module}* model = &array->model;
  if (take(model, {names}) || array->stale) {{
    model->eval();
    array->stale = false;
  }}
{"".join(give(name) for name in _OUTPUTS)}}}
"""
