"""The host's vector unit: every operator that is no product with a fixed matrix, in numpy."""
