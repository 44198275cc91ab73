"""Constrained-random verification: RTL against golden model, with functional coverage and small failing cases."""

from cosim.verification.coverage import Coverage, bins
from cosim.verification.generate import random_experiment
from cosim.verification.runner import Mismatch, Verification, smallest, verify, verify_packets
from cosim.verification.shrink import shrink

__all__ = [
    "Coverage",
    "Mismatch",
    "Verification",
    "bins",
    "random_experiment",
    "shrink",
    "smallest",
    "verify",
    "verify_packets",
]
