"""Harness of a chip, or of several, in simulation: boots it at a word per cycle, and writes down what its streams carry.

    module hn_harness: the chip, a player of host requests, and a trace

Requests of ``+script`` are played after reset; then the bench has the host port. With ``tracing[0]`` the tokens and logits,
with ``tracing[1]`` every beat of every stream goes to the file of ``+trace``: cycle, number of the stream, payload. A
pulse on ``report`` writes which streams wait, and how many errors links had.
"""

from collections.abc import Sequence
from typing import Any

from hnlpu.host import Control, Register

__all__ = ["HARNESS", "LOGITS", "TRACED", "boot_script", "harness_text"]

HARNESS = "hn_harness"
#: The stream of results.
LOGITS = "head_logits"
#: Streams that are traced in any case: tokens in, logits, tokens out.
TRACED = ("token", LOGITS, "sampled")


def boot_script(image: str) -> list[str]:
    """Host requests, a hexadecimal line each, that load the boot image and say so.

    Parameters
    ----------
    image : str
        Text of ``boot/image.hex``.
    """
    lines, following = [], -1
    for line in image.splitlines():
        address, word = int(line[:8], 16), int(line[8:], 16)
        if address != following:
            lines.append(_write(Register.BOOT_ADDRESS, address))
        lines.append(_write(Register.BOOT_DATA, word))
        following = address + 1
    return [*lines, _write(Register.CONTROL, Control.BOOTED)]


def _write(register: Register, word: int) -> str:
    return f"{1 << 40 | register << 32 | word:011x}\n"


def harness_text(
    top: str,
    streams: Sequence[dict[str, Any]],
    n_requests: int,
    *,
    stalls: bool,
    glitches: Sequence[str] = (),
) -> str:
    """Verilog of the harness.

    Parameters
    ----------
    top : str
        Module of the chip, or of all chips.
    streams : sequence
        Entries of ``chip.json`` and the ``path`` of each within ``top``.
    n_requests : int
        Lines of the script.
    stalls : bool
        The chip has a port ``stall``.
    glitches : sequence of str
        Blocks of ``top`` that count the errors they make while its port ``glitch`` is high.
    """
    traced = []
    waiting = [
        f'    if (report) $fwrite(file, "# {name} made %0d\\n", chip.{name}__count);\n'
        for name in glitches
    ]
    for i, stream in enumerate(streams):
        name, path = stream["name"], stream["path"]
        on = "|tracing" if name in TRACED else "tracing[1]"
        traced.append(
            f"    if ({on} & chip.{path}__valid & chip.{path}__ready)\n"
            f'      $fwrite(file, "%0d {i} %0h\\n", cycle, chip.{path}__payload);\n'
        )
        waiting.append(
            f"    if (report & chip.{path}__valid & ~chip.{path}__ready)\n"
            f'      $fwrite(file, "# {name} waits\\n");\n'
        )
    return f"""\
// Boots a chip and traces its streams.
module {HARNESS}(
  input clk, input rst, input stall, input glitch, input [1:0] tracing, input report,
  input request__valid, input [40:0] request__payload, output request__ready,
  output response__valid, output [32:0] response__payload, input response__ready,
  output interrupt, output idle, output reg booting, output reg refused
);
  reg [40:0] script [0:{n_requests - 1}];
  reg [31:0] next;
  reg [63:0] cycle;
  reg [4095:0] name;
  integer file;
  wire ready;
  wire chip_response_valid;
  initial begin
    if ($value$plusargs("script=%s", name)) $readmemh(name, script);
    if ($value$plusargs("trace=%s", name)) file = $fopen(name, "w");
  end
  assign request__ready = ready & ~booting;
  assign response__valid = chip_response_valid & ~booting;
  {top} chip(
    .clk(clk), .rst(rst),{" .stall(stall)," if stalls else ""}{" .glitch(glitch)," if glitches else ""}
    .request__payload(booting ? script[next] : request__payload),
    .request__valid(booting ? next < {n_requests} : request__valid),
    .request__ready(ready),
    .response__payload(response__payload),
    .response__valid(chip_response_valid),
    .response__ready(booting | response__ready),
    .interrupt(interrupt), .idle(idle)
  );
  always @(posedge clk) begin
    cycle <= rst ? 0 : cycle + 1;
    if (rst) begin
      booting <= 1;
      refused <= 0;
      next <= 0;
    end else if (booting) begin
      if (ready & (next < {n_requests})) next <= next + 1;
      if (chip_response_valid & response__payload[32]) refused <= 1;
      if ((next == {n_requests}) & ~chip_response_valid) booting <= 0;
    end
{"".join(traced)}{"".join(waiting)}    if (interrupt | report) $fflush(file);
  end
endmodule
"""
