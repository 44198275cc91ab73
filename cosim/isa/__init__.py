"""The instruction set as software sees it: words and their fields, assembly, vectors of codes."""
