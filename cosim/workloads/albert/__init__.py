"""ALBERT on one chip: a layer of 7,077,888 weights that every sentence passes twelve times."""
