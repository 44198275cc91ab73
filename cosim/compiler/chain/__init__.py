"""A feed-forward network that lives wholly on one chip: a layer's output goes on to the next one's tiles as pulses.

`options` is what one may choose, `frame` decides which step of the frame does what, `placement` where, `scales` with
which ramps and windows, `emit` writes the words, `compile` puts them together.
"""
