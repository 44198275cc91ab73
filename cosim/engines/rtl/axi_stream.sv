// AXI4-Stream source and sink that run without the test bench: Python loads or reads a whole burst in one access.
//
// Handshake of both: Python sets up the burst and inverts `request`; when the burst is done, `done` equals `request`.
// `pause` is the chance, in 256ths, that a side holds back a beat in a cycle: idle cycles and back-pressure, for
// verification; with 256 nothing passes. The gaps come from a 32-bit LFSR and so repeat from run to run.
//
// What Python writes is read by registers only: combinational logic behind it would be evaluated at every edge.

`timescale 1ns / 1ps

// Sends `beats` beats of `buffer`; a beat is 65 bits, {tlast, tdata}.
module axi_stream_source #(
    parameter DEPTH = 1024
) (
    input  wire        clk,
    input  wire        rst,
    output reg  [63:0] tdata,
    output reg         tvalid,
    output reg         tlast,
    input  wire        tready
);
  reg [65*DEPTH-1:0] buffer;
  reg [31:0] beats;
  reg [8:0] pause;
  reg request;
  reg done;
  reg [31:0] sent;
  reg [31:0] gaps;

  always @(posedge clk)
    if (rst) begin
      tvalid <= 1'b0;
      done   <= request;
      sent   <= 0;
      gaps   <= 32'h2463_1723;
    end else if (request != done || tvalid) begin
      gaps <= {gaps[30:0], gaps[31] ^ gaps[21] ^ gaps[1] ^ gaps[0]};
      if (~tvalid | tready) begin
        if (sent == beats) begin
          tvalid <= 1'b0;
          sent   <= 0;
          done   <= request;
        end else begin
          tvalid <= {1'b0, gaps[7:0]} >= pause;
          if ({1'b0, gaps[7:0]} >= pause) begin
            {tlast, tdata} <= buffer[65*sent+:65];
            sent <= sent + 1;
          end
        end
      end
    end
endmodule

// Captures beats, always in order, in `buffer`, 65 bits each; done when `beats` have arrived since the request.
// Without a request nothing is accepted.
module axi_stream_sink #(
    parameter DEPTH = 1024
) (
    input  wire        clk,
    input  wire        rst,
    input  wire [63:0] tdata,
    input  wire        tvalid,
    input  wire        tlast,
    output wire        tready
);
  reg [65*DEPTH-1:0] buffer;
  reg [31:0] beats;
  reg [8:0] pause;
  reg request;
  reg done;
  reg [31:0] received;
  reg [31:0] gaps;
  reg listen;
  assign tready = listen;

  // verilator lint_off BLKSEQ
  always @(posedge clk)
    if (rst) begin
      done <= request;
      received <= 0;
      listen <= 1'b0;
      gaps <= 32'h7a31_90c5;
    end else if (request != done) begin
      gaps <= {gaps[30:0], gaps[31] ^ gaps[21] ^ gaps[1] ^ gaps[0]};
      listen <= {1'b0, gaps[7:0]} >= pause;
      if (tvalid & listen) begin
        buffer[65*received+:65] = {tlast, tdata};  // blocking: spares a shadow copy of the whole buffer
        received <= received + 1;
        if (received + 1 == beats) begin
          done <= request;
          received <= 0;
          listen <= 1'b0;
        end
      end
    end
  // verilator lint_on BLKSEQ
endmodule
