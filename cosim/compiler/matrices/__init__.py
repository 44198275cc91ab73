"""Matrices of any size on any number of chips: the host hands in vectors, and takes products, frame by frame.

`blocks` cuts a matrix into parts that a tile or a joined pair holds, `packing` puts them onto tiles, `placement`
chooses tiles, pads, slots and ways, `frames` writes the words, `layout` is what comes out.
"""
