"""cocotb agents for the test bench `bench.sv`: host port, physics, receivers, error flags."""
