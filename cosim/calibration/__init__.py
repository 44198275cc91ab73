"""Calibration: what is measured on a programmed chip, and put back into it."""

from cosim.calibration.in_chip import (
    RECALIBRATION,
    STEPS,
    CalibratedChip,
    LayerCalibration,
    Step,
    calibrate,
    column_lines,
    recalibrate,
)

__all__ = [
    "RECALIBRATION",
    "STEPS",
    "CalibratedChip",
    "LayerCalibration",
    "Step",
    "calibrate",
    "column_lines",
    "recalibrate",
]
