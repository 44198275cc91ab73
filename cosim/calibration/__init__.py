"""Calibration: what is measured on a programmed chip, and put back into it."""

from cosim.calibration.chip import CalibratedChip, LayerCalibration
from cosim.calibration.in_chip import RECALIBRATION, STEPS, CalibrationError, Step, calibrate, recalibrate
from cosim.calibration.lines import column_lines

__all__ = [
    "RECALIBRATION",
    "STEPS",
    "CalibratedChip",
    "CalibrationError",
    "LayerCalibration",
    "Step",
    "calibrate",
    "column_lines",
    "recalibrate",
]
