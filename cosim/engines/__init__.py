"""What runs programs and experiments: the RTL, its twin, the golden model; results, and their comparison."""
