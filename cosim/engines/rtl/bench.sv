// Top of every co-simulation: the chip, a source and a sink on its host port, and two cycle counters.

`timescale 1ns / 1ps

module bench #(
    parameter TILES = 0,  // given by the build
    parameter DEPTH = 0  // the same: beats that source and sink hold
) (
    input wire clk,
    input wire rst
);
  wire busy;
  wire error;
  wire service;  // some tile has an analog event in this cycle
  wire [4*TILES-1:0] analog_event;  // of each tile: precharge, integrate, ramp, write

  wire [63:0] rx_tdata, tx_tdata;
  wire rx_tvalid, rx_tready, rx_tlast, tx_tvalid, tx_tready, tx_tlast;

  // A register: the chip's next states depend on its reset, and logic behind an input is evaluated at every edge.
  reg chip_rst;
  always @(posedge clk) chip_rst <= rst;

  axi_stream_source #(.DEPTH(DEPTH)) source (
      .clk(clk),
      .rst(chip_rst),
      .tdata(rx_tdata),
      .tvalid(rx_tvalid),
      .tlast(rx_tlast),
      .tready(rx_tready)
  );
  axi_stream_sink #(.DEPTH(DEPTH)) sink (
      .clk(clk),
      .rst(chip_rst),
      .tdata(tx_tdata),
      .tvalid(tx_tvalid),
      .tlast(tx_tlast),
      .tready(tx_tready)
  );
  duramesh_chip chip (
      .clk(clk),
      .rst(chip_rst),
      .host_rx_tdata(rx_tdata),
      .host_rx_tvalid(rx_tvalid),
      .host_rx_tready(rx_tready),
      .host_rx_tlast(rx_tlast),
      .host_tx_tdata(tx_tdata),
      .host_tx_tvalid(tx_tvalid),
      .host_tx_tready(tx_tready),
      .host_tx_tlast(tx_tlast),
      .busy(busy),
      .error(error),
      .service(service),
      .analog_event(analog_event)
  );

  reg [63:0] cycle;  // since the reset
  reg [63:0] since_start;
  reg was_busy;
  wire [63:0] program_cycle = busy & ~was_busy ? 64'd0 : since_start;  // cycle 0 is the first with `busy`
  always @(posedge clk)
    if (chip_rst) begin
      cycle <= 0;
      since_start <= 0;
      was_busy <= 1'b0;
    end else begin
      cycle <= cycle + 1;
      since_start <= program_cycle + 1;
      was_busy <= busy;
    end
endmodule
