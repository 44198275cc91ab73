"""Everything that drives the chip: compiler, engines, cocotb agents, workloads, command line."""
