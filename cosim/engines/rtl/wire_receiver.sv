// Simulation shell of a landing pad's receiver (docs/fabric.md, "Receivers"): it moves the ends of pulses.
//
// While `enabled` is 0 it is wires. Both signals are written by the test bench:
//
//   enabled   errors are on
//   setting   for the next window, taken over when it opens: {missed, three slips of 10 bits, highest first, planes
//             shorter by 3, 2, 1 or more cycles, planes longer by 3, 2, 1 or more}; every plane has STRIDE bits
//
// Two steps, each with a delay line: samples are repeated or left out for all lanes at once (the clock), then the edges
// of each lane move against each other (the wire). Everything wide sits behind an `if`.

`timescale 1ns / 1ps

module duramesh_wire_receiver #(
    parameter LANES = 0  // given by the design
) (
    input  wire             clk,
    input  wire [LANES-1:0] wires,
    input  wire             opens,  // a window opens in the next cycle
    output reg  [LANES-1:0] data
);
  localparam STRIDE = (LANES + 31) / 32 * 32;
  localparam SLIPS = 3;
  localparam NO_SLIP = 10'd1023;

  reg enabled;
  reg [6*STRIDE+10*SLIPS:0] setting;
  initial enabled = 1'b0;

  // A register: what depends on a signal of the test bench without one is evaluated anew at every call.
  reg active;
  initial active = 1'b0;
  always @(posedge clk) active <= enabled;

  reg [6*STRIDE+10*SLIPS:0] current;
  wire missed = current[6*STRIDE+10*SLIPS];

  // The clock: the sample is `delay` cycles behind the wires.
  reg [LANES-1:0] wires1, wires2, wires3;
  reg [1:0] delay;
  reg [LANES-1:0] sample;
  always @*
    if (active)
      case (delay)
        2'd0: sample = wires;
        2'd1: sample = wires1;
        2'd2: sample = wires2;
        default: sample = wires3;
      endcase

  // The wire: a pulse becomes longer as the OR of itself and its delayed copies, shorter as their AND.
  reg [LANES-1:0] sample1, sample2, sample3;
  function automatic [LANES-1:0] moved(input [6*STRIDE+10*SLIPS:0] planes, input [LANES-1:0] now, input [LANES-1:0] before1,
                                       input [LANES-1:0] before2, input [LANES-1:0] before3);
    /* verilator no_inline_task */
    moved = (now | before1 & planes[0+:LANES] | before2 & planes[STRIDE+:LANES] | before3 & planes[2*STRIDE+:LANES])
        & (before1 | ~planes[3*STRIDE+:LANES])
        & (before2 | ~planes[4*STRIDE+:LANES])
        & (before3 | ~planes[5*STRIDE+:LANES]);
  endfunction
  always @*
    if (active) data = moved(current, sample, sample1, sample2, sample3);
    else data = wires;

  // Number of the sample that leaves the delay line in this cycle; sample 0 is the first with a wire high.
  reg risen;
  reg [9:0] elapsed;
  reg [1:0] done;  // slips so far
  wire [9:0] number = elapsed - {8'd0, delay};
  wire [9:0] slip = current[6*STRIDE+10*done+:10];
  wire slips = (done != SLIPS) & (slip != NO_SLIP) & (missed ? number + 10'd1 == slip : number == slip);

  always @(posedge clk)
    if (active)
      if (opens) begin
        current <= setting;
        wires1 <= 0;
        wires2 <= 0;
        wires3 <= 0;
        sample1 <= 0;
        sample2 <= 0;
        sample3 <= 0;
        delay <= setting[6*STRIDE+10*SLIPS] ? 2'd3 : 2'd0;
        risen <= 1'b0;
        elapsed <= 0;
        done <= 0;
      end else begin
        wires1 <= wires;
        wires2 <= wires1;
        wires3 <= wires2;
        sample1 <= sample;
        sample2 <= sample1;
        sample3 <= sample2;
        if (risen | (|wires)) begin
          risen <= 1'b1;
          if (~&elapsed) elapsed <= elapsed + 1'b1;
          if (slips) begin
            delay <= missed ? delay - 1'b1 : delay + 1'b1;
            done <= done + 1'b1;
          end
        end
      end
endmodule
