"""What words make the digital fabric do, derived from the words alone: the mesh as a graph, who issues what when, the
events of a frame, and whether the chip would flag any of it.
"""
