"""The chip characterised like a real one: studies, their figures, and the report that shows them beside the papers'.

A study is a module of this package with one `STUDY` (see `study.py`): it measures once, with a `Campaign`, and draws
from what was measured. `report.py` puts all of them on one page.
"""

from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.figures.study import Figure, Study

__all__ = ["Campaign", "Figure", "Finding", "Measurement", "Study", "Unavailable"]
