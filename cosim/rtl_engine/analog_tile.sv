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
// Bit i of plane b is bit b of the count of row or column i. A plane starts at a multiple of 32 bits, so that the
// simulator moves whole words. Everything wide sits behind an `if` that an idle tile never enters.

`timescale 1ns / 1ps
`ifndef RAMP_LATENCY
`define RAMP_LATENCY 8
`endif

module analog_tile #(
    parameter LANES = 512,
    parameter BIAS_ROWS = 8
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
  localparam ROW_STRIDE = (ROWS + 31) / 32 * 32;
  localparam COLUMN_STRIDE = (LANES + 31) / 32 * 32;

  wire [8:0] array_bank = {share_south, share_north, capacitors, discharge, wp2, wp1};
  wire [20:0] write_bank = {return_line, write_reset, write_device, write_row};

  reg [9+PLANES*ROW_STRIDE-1:0] integration;
  wire [15:0] ramp_setting = {ramp_slope, ramp_start};
  reg [21+PLANES*COLUMN_STRIDE-1:0] programming;
  reg [PLANES*COLUMN_STRIDE-1:0] crossing;

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

  // The counters below are each the state of one block, which nothing else in the design reads: blocking assignments
  // save the simulator a shadow copy of each in every cycle.
  /* verilator lint_off BLKSEQ */

  // High time of the rows: one ripple increment of all bit planes a cycle. Only a phase of more than LONGEST cycles can
  // saturate a counter.
  reg [PLANES-1:0] integrating;  // cycles so far, saturating
  reg [ROWS-1:0] row_carry, row_plane;
  integer row_bit;
  always @(posedge clk)
    if (integrate)
      if (~was_integrate) begin
        integrating = 1;
        integration = 0;
        integration[PLANES*ROW_STRIDE+:9] = array_bank;
        integration[0+:ROWS] = rows;
      end else begin
        row_carry = rows;
        if (integrating == LONGEST) begin
          row_plane = {ROWS{1'b1}};
          for (row_bit = 0; row_bit < PLANES; row_bit = row_bit + 1)
            row_plane = row_plane & integration[row_bit*ROW_STRIDE+:ROWS];
          row_carry = row_carry & ~row_plane;
        end else integrating = integrating + 1'b1;
        for (row_bit = 0; row_bit < PLANES; row_bit = row_bit + 1) begin
          row_plane = integration[row_bit*ROW_STRIDE+:ROWS];
          integration[row_bit*ROW_STRIDE+:ROWS] = row_plane ^ row_carry;
          row_carry = row_carry & row_plane;
        end
      end

  // High time of the columns, in the same way.
  reg [PLANES-1:0] writing;
  reg [LANES-1:0] column_carry, column_plane;
  integer column_bit;
  always @(posedge clk)
    if (write)
      if (~was_write) begin
        writing = 1;
        programming = 0;
        programming[PLANES*COLUMN_STRIDE+:21] = write_bank;
        programming[0+:LANES] = columns_in;
      end else begin
        column_carry = columns_in;
        if (writing == LONGEST) begin
          column_plane = {LANES{1'b1}};
          for (column_bit = 0; column_bit < PLANES; column_bit = column_bit + 1)
            column_plane = column_plane & programming[column_bit*COLUMN_STRIDE+:LANES];
          column_carry = column_carry & ~column_plane;
        end else writing = writing + 1'b1;
        for (column_bit = 0; column_bit < PLANES; column_bit = column_bit + 1) begin
          column_plane = programming[column_bit*COLUMN_STRIDE+:LANES];
          programming[column_bit*COLUMN_STRIDE+:LANES] = column_plane ^ column_carry;
          column_carry = column_carry & column_plane;
        end
      end

  // Comparator pulses. `age` counts the cycles with the ramp in force; a column is high while its crossing time is
  // above `elapsed`: a comparison of one shared counter with all lanes, plane by plane from the lowest bit.
  localparam LAST_AGE = `RAMP_LATENCY - 1 + LONGEST;
  reg [9:0] age;
  reg [PLANES-1:0] elapsed;
  reg [LANES-1:0] pulses, above;
  integer pulse_bit;
  initial pulses = 0;
  always @(posedge clk)
    if (rst | ~ramp) begin
      if (age != 0) pulses <= 0;
      age = 0;
    end else if (age <= LAST_AGE) begin
      if (age >= `RAMP_LATENCY - 1) begin
        elapsed = age[PLANES-1:0] - (`RAMP_LATENCY - 1);
        above   = 0;
        for (pulse_bit = 0; pulse_bit < PLANES; pulse_bit = pulse_bit + 1)
          if (elapsed[pulse_bit]) above = above & crossing[pulse_bit*COLUMN_STRIDE+:LANES];
          else above = above | crossing[pulse_bit*COLUMN_STRIDE+:LANES];
        pulses <= above;
      end
      age = age + 1'b1;
    end
  /* verilator lint_on BLKSEQ */

  assign columns_out = ramp ? pulses : {LANES{1'b0}};
endmodule
