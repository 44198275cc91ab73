"""The digital fabric of the chip, as synthesizable Amaranth HDL."""
