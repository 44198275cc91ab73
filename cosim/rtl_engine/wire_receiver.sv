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

module wire_receiver #(
    parameter LANES = 512
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

  reg [6*STRIDE+10*SLIPS:0] current;
  wire [LANES-1:0] longer1 = current[0*STRIDE+:LANES];
  wire [LANES-1:0] longer2 = current[1*STRIDE+:LANES];
  wire [LANES-1:0] longer3 = current[2*STRIDE+:LANES];
  wire [LANES-1:0] shorter1 = current[3*STRIDE+:LANES];
  wire [LANES-1:0] shorter2 = current[4*STRIDE+:LANES];
  wire [LANES-1:0] shorter3 = current[5*STRIDE+:LANES];
  wire missed = current[6*STRIDE+10*SLIPS];

  // The clock: `delay` cycles behind the wires.
  reg [LANES-1:0] wires1, wires2, wires3;
  reg [1:0] delay;
  reg [LANES-1:0] sampled;
  always @*
    if (enabled)
      case (delay)
        2'd0: sampled = wires;
        2'd1: sampled = wires1;
        2'd2: sampled = wires2;
        default: sampled = wires3;
      endcase
    else sampled = {LANES{1'b0}};

  // The wire: a pulse becomes longer as the OR of itself and its delayed copies, shorter as their AND.
  reg [LANES-1:0] sampled1, sampled2, sampled3;
  always @*
    if (enabled)
      data = (sampled | (sampled1 & longer1) | (sampled2 & longer2) | (sampled3 & longer3))
          & (sampled1 | ~shorter1) & (sampled2 | ~shorter2) & (sampled3 | ~shorter3);
    else data = wires;

  // Number of the sample that leaves the delay line in this cycle; sample 0 is the first with a wire high.
  reg risen;
  reg [9:0] elapsed;
  reg [1:0] done;  // slips so far
  wire [9:0] sample = elapsed - {8'd0, delay};
  wire [9:0] slip = current[6*STRIDE+10*done+:10];
  wire slips = (done != SLIPS) & (slip != NO_SLIP) & (missed ? sample + 10'd1 == slip : sample == slip);

  always @(posedge clk)
    if (enabled)
      if (opens) begin
        current <= setting;
        wires1 <= 0;
        wires2 <= 0;
        wires3 <= 0;
        sampled1 <= 0;
        sampled2 <= 0;
        sampled3 <= 0;
        delay <= setting[6*STRIDE+10*SLIPS] ? 2'd3 : 2'd0;
        risen <= 1'b0;
        elapsed <= 0;
        done <= 0;
      end else begin
        wires1 <= wires;
        wires2 <= wires1;
        wires3 <= wires2;
        sampled1 <= sampled;
        sampled2 <= sampled1;
        sampled3 <= sampled2;
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
