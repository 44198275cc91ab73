"""Where the chip's SRAMs are: one module, `sram`, that a user swaps for the macros of a technology."""

from amaranth.hdl import ClockSignal, Instance, Value
from amaranth.lib.memory import Memory

__all__ = ["SramPlatform", "sram"]

_BODY = """\
    input wire clk,
    input wire [PARTS-1:0] write_enable,
    input wire [ADDRESS-1:0] write_address,
    input wire [WIDTH-1:0] write_data,
    input wire read_enable,
    input wire [ADDRESS-1:0] read_address,
    output reg [WIDTH-1:0] read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
  integer word, part;
  initial begin
    read_data = {WIDTH{1'b0}};
    for (word = 0; word < DEPTH; word = word + 1) words[word] = {WIDTH{1'b0}};
  end
`ifdef VERILATOR
  // The same in every cycle: writes block, after the read, and nothing else sees `words`. Nonblocking ones cost
  // time: a flag of every part would be cleared and tested in every cycle.
  /* verilator lint_off BLKSEQ */
  always @(posedge clk) begin
    if (read_enable) read_data <= words[read_address];
    if (|write_enable)
      for (part = 0; part < PARTS; part = part + 1)
        if (write_enable[part])
          words[write_address][part*(WIDTH/PARTS) +: WIDTH/PARTS] = write_data[part*(WIDTH/PARTS) +: WIDTH/PARTS];
  end
  /* verilator lint_on BLKSEQ */
`else
  always @(posedge clk) begin
    for (part = 0; part < PARTS; part = part + 1)
      if (write_enable[part])
        words[write_address][part*(WIDTH/PARTS) +: WIDTH/PARTS] <= write_data[part*(WIDTH/PARTS) +: WIDTH/PARTS];
    if (read_enable) read_data <= words[read_address];
  end
`endif
endmodule
"""


class SramPlatform:
    """To Amaranth, a platform on which every memory is an instance of the module `sram` (docs/verilog.md, SRAMs)."""

    def get_memory(self, memory: Memory) -> Instance:
        """What stands for `memory`: Amaranth asks by this name.

        Raises
        ------
        ValueError
            If the memory has other ports than one for writing and one for reading, on one clock: no macro would fit.
        """
        writers, readers = memory.write_ports, memory.read_ports
        if len(writers) != 1 or [(port.domain, port.transparent_for) for port in readers] != [(writers[0].domain, ())]:
            raise ValueError("an SRAM has one write port and one read port, on one clock, and none is transparent")
        (writer,), (reader,) = writers, readers
        return Instance(
            "sram",
            p_WIDTH=len(Value.cast(writer.data)),
            p_DEPTH=memory.depth,
            p_ADDRESS=len(writer.addr),
            p_PARTS=len(writer.en),
            i_clk=ClockSignal(writer.domain),
            i_write_enable=writer.en,
            i_write_address=writer.addr,
            i_write_data=writer.data,
            i_read_enable=reader.en,
            i_read_address=reader.addr,
            o_read_data=reader.data,
        )


def sram(prefix: str) -> str:
    """Verilog of the module: a behavioural one, of which tools for FPGAs make block memories.

    All of it is 0 at first, as in Amaranth's simulator. No program may rely on that: a macro holds anything.
    """
    return f"module {prefix}sram #(parameter WIDTH = 64, DEPTH = 2, ADDRESS = 1, PARTS = 1) (\n{_BODY}"
