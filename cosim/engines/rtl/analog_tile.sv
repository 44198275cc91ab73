// Simulation shell of the analog macro of a tile (docs/fabric.md, "Analog boundary of a tile").
//
// It counts how long every row (while the array integrates) and every column (while it is programmed) is high, tells
// the test bench about the event that ends each phase, and plays back the comparator pulses that the physics answers
// to a ramp. The physics itself is in Python; it meets this shell at four packed signals:
//
//   integration   read    {ARRAY bank of the first cycle, nine planes of row high time}
//   ramp_setting  read    {ramp_slope, ramp_start}
//   programming   read    {WRITE bank of the first cycle, nine planes of column high time}
//   crossing      write   nine planes of crossing times
//
// Bit i of plane b is bit b of the number of row or column i. Every plane has STRIDE bits, whole words of the simulator.
// Everything wide sits behind an `if` that an idle tile never enters.

`timescale 1ns / 1ps
`ifndef RAMP_LATENCY
`define RAMP_LATENCY 8
`endif

module duramesh_analog_tile #(
    parameter LANES = 0,  // given by the design, like all parameters here
    parameter BIAS_ROWS = 0
) (
    input  wire                       clk,
    input  wire                       rst,
    input  wire [LANES+BIAS_ROWS-1:0] rows,        // mesh rows, then bias rows
    input  wire [          LANES-1:0] columns_in,
    output wire [          LANES-1:0] columns_out,
    // ARRAY bank
    input  wire                       precharge,
    input  wire                       integrate,
    input  wire                       wp1,
    input  wire                       wp2,
    input  wire                       discharge,
    input  wire [                3:0] capacitors,
    input  wire                       share_north,
    input  wire                       share_south,
    input  wire                       neighbour_north_shares,  // the northern tile's share_south
    input  wire                       neighbour_south_shares,  // the southern tile's share_north
    // READOUT bank
    input  wire                       ramp,
    input  wire [                7:0] ramp_start,
    input  wire [                7:0] ramp_slope,
    // WRITE bank
    input  wire                       write,
    input  wire [                9:0] write_row,
    input  wire [                1:0] write_device,
    input  wire                       write_reset,
    input  wire [                7:0] return_line,
    // Only for simulation
    input  wire                       clear,        // clears `fault`
    output wire [                3:0] event_strobe, // precharge, integrate, ramp, write
    output reg                        fault         // sticky
);
  localparam PLANES = 9;
  localparam LONGEST = (1 << PLANES) - 1;
  localparam ROWS = LANES + BIAS_ROWS;
  localparam STRIDE = (ROWS + 31) / 32 * 32;

  wire [8:0] array_bank = {share_south, share_north, capacitors, discharge, wp2, wp1};
  wire [20:0] write_bank = {return_line, write_reset, write_device, write_row};

  reg [9+PLANES*STRIDE-1:0] integration;
  wire [15:0] ramp_setting = {ramp_slope, ramp_start};
  reg [21+PLANES*STRIDE-1:0] programming;
  reg [PLANES*STRIDE-1:0] crossing;

  // Events: each in the first cycle after, or of, a level.
  reg was_precharge, was_integrate, was_ramp, was_write;
  always @(posedge clk) begin
    was_precharge <= precharge & ~rst;
    was_integrate <= integrate & ~rst;
    was_ramp <= ramp & ~rst;
    was_write <= write & ~rst;
  end
  assign event_strobe = {
    was_write & ~write, ramp & ~was_ramp, was_integrate & ~integrate, was_precharge & ~precharge
  };

  reg [8:0] latched_bank;
  always @(posedge clk) begin
    if (~was_integrate) latched_bank <= array_bank;
    if (rst) fault <= 1'b0;
    else
      fault <= (fault & ~clear) | (integrate & precharge)
          | (integrate & was_integrate & (array_bank != latched_bank))
          | (share_north & ~neighbour_north_shares) | (share_south & ~neighbour_south_shares);
  end

  // All wide arithmetic is in two functions that stay functions, one for all tiles: in line it would be half of the code
  // that the C++ compiler sees.

  // One ripple increment of all bit planes, on the lanes that are high; a counter at LONGEST stays there.
  function automatic [PLANES*STRIDE-1:0] count(
      input [PLANES*STRIDE-1:0] planes, input [STRIDE-1:0] high, input may_saturate
  );
    /* verilator no_inline_task */
    reg [STRIDE-1:0] carry, plane;
    integer i;
    begin
      carry = high;
      if (may_saturate) begin
        plane = {STRIDE{1'b1}};
        for (i = 0; i < PLANES; i = i + 1) plane = plane & planes[i*STRIDE+:STRIDE];
        carry = carry & ~plane;
      end
      for (i = 0; i < PLANES; i = i + 1) begin
        plane = planes[i*STRIDE+:STRIDE];
        count[i*STRIDE+:STRIDE] = plane ^ carry;
        carry = carry & plane;
      end
    end
  endfunction

  // Lanes whose number is above a threshold that all share: compared plane by plane from the lowest bit.
  function automatic [STRIDE-1:0] exceeding(input [PLANES*STRIDE-1:0] planes, input [PLANES-1:0] threshold);
    /* verilator no_inline_task */
    integer i;
    begin
      exceeding = 0;
      for (i = 0; i < PLANES; i = i + 1)
        if (threshold[i]) exceeding = exceeding & planes[i*STRIDE+:STRIDE];
        else exceeding = exceeding | planes[i*STRIDE+:STRIDE];
    end
  endfunction

  // What follows is each the state of one block, which nothing else in the design reads: blocking assignments save the
  // simulator a shadow copy of each in every cycle.
  /* verilator lint_off BLKSEQ */

  reg [PLANES-1:0] integrating;  // cycles so far, saturating; no counter can be ahead of it
  always @(posedge clk)
    if (integrate)
      if (was_integrate) begin
        integration[0+:PLANES*STRIDE] =
            count(integration[0+:PLANES*STRIDE], {{STRIDE - ROWS{1'b0}}, rows}, &integrating);
        if (~&integrating) integrating = integrating + 1'b1;
      end else begin
        integration = {array_bank, {PLANES * STRIDE - ROWS{1'b0}}, rows};
        integrating = 1;
      end

  reg [PLANES-1:0] writing;
  always @(posedge clk)
    if (write)
      if (was_write) begin
        programming[0+:PLANES*STRIDE] =
            count(programming[0+:PLANES*STRIDE], {{STRIDE - LANES{1'b0}}, columns_in}, &writing);
        if (~&writing) writing = writing + 1'b1;
      end else begin
        programming = {write_bank, {PLANES * STRIDE - LANES{1'b0}}, columns_in};
        writing = 1;
      end

  // Comparator pulses; `age` counts the cycles with the ramp in force.
  localparam LAST_AGE = `RAMP_LATENCY - 1 + LONGEST;
  reg [9:0] age;
  reg [STRIDE-1:0] pulses;
  initial pulses = 0;
  always @(posedge clk)
    if (rst | ~ramp) begin
      if (age != 0) pulses <= 0;
      age = 0;
    end else if (age <= LAST_AGE) begin
      if (age >= `RAMP_LATENCY - 1) pulses <= exceeding(crossing, age[PLANES-1:0] - (`RAMP_LATENCY - 1));
      age = age + 1'b1;
    end
  /* verilator lint_on BLKSEQ */

`ifdef TRACED
  // Voltages of some columns' capacitors, as the physics has them after the last event: the test bench sets them, for the
  // waveform. The traced copies change with the clock, for a change from outside alone would not be seen.
  real volts_0, volts_1, volts_2, volts_3, volts_4;
  real set_volts_0, set_volts_1, set_volts_2, set_volts_3, set_volts_4;
  always @(posedge clk) begin
    volts_0 <= set_volts_0;
    volts_1 <= set_volts_1;
    volts_2 <= set_volts_2;
    volts_3 <= set_volts_3;
    volts_4 <= set_volts_4;
  end
`endif

  assign columns_out = ramp ? pulses[LANES-1:0] : {LANES{1'b0}};
endmodule
