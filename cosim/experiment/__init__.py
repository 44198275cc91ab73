"""Experiments: one run of the chip as a user wrote it, and what was seen of it.

Every engine turns an `Experiment` into a `Record`, so that records can be compared. `cosim.experiment.file` reads
experiments from TOML files; docs/experiments.md.
"""

from cosim.experiment.experiment import Experiment, ExperimentError, Recorder
from cosim.experiment.record import STATUS_FIELDS, Record, RecordError, complaints, describe_unit

__all__ = [
    "STATUS_FIELDS",
    "Experiment",
    "ExperimentError",
    "Record",
    "RecordError",
    "Recorder",
    "complaints",
    "describe_unit",
]
