"""RTL engine: the chip's Verilog in Verilator, driven by cocotb, with the physics behind the analog boundary."""
