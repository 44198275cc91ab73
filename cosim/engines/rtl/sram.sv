// The SRAMs of a co-simulation, in the place of the chip's own `sram.v`: the same in every cycle, and several times as
// fast. There, every part of a word is a nonblocking write of its own, for which Verilator clears and tests a flag in
// every cycle; 64 of them in each landing pad. Here writes block, after the read. Nothing else sees `words`.

`timescale 1ns / 1ps

module duramesh_sram #(
    parameter WIDTH = 64,
    parameter DEPTH = 2,
    parameter ADDRESS = 1,
    parameter PARTS = 1
) (
    input  wire               clk,
    input  wire [  PARTS-1:0] write_enable,
    input  wire [ADDRESS-1:0] write_address,
    input  wire [  WIDTH-1:0] write_data,
    input  wire               read_enable,
    input  wire [ADDRESS-1:0] read_address,
    output reg  [  WIDTH-1:0] read_data
);
  localparam PART = WIDTH / PARTS;

  reg [WIDTH-1:0] words[0:DEPTH-1];
  integer word, part;
  initial begin
    read_data = {WIDTH{1'b0}};
    for (word = 0; word < DEPTH; word = word + 1) words[word] = {WIDTH{1'b0}};
  end

  // verilator lint_off BLKSEQ
  always @(posedge clk) begin
    if (read_enable) read_data <= words[read_address];
    if (|write_enable)
      for (part = 0; part < PARTS; part = part + 1)
        if (write_enable[part]) words[write_address][part*PART+:PART] = write_data[part*PART+:PART];
  end
  // verilator lint_on BLKSEQ
endmodule
