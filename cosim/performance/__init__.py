"""Time and energy of any workload, counted from its own programs.

`activity` is what happens, `counting` counts it from a program and its `data`, of which `numbers` knows what images
and stand-ins say; `constants` and `energy` give joules, `fit` what was fitted; `timing` is when everything happens,
`trace` what a network's sample asks for, `host` what the host does; `report` puts it together.
"""
