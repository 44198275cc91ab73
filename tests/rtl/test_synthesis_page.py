"""The table of units: what it sums, and how often."""

from rtl.config import preset
from rtl.synthesis import TOPS, ModuleReport
from rtl.synthesis_page import unit_rows


def test_units_are_summed_as_often_as_the_chip_has_them() -> None:
    units = {
        top: [
            ModuleReport(top, {"$_AND_": 3, "$_DFF_P_": 2, f"duramesh_{top}_part": 1}, 0, 40, 7),
            ModuleReport(f"{top}_part", {"$_NOR_": 5, "duramesh_sram": 1}, 64, 20),
        ]
        for top in TOPS
    }
    rows = unit_rows(preset(), units)
    assert rows[0] == ("tile, whole", "34", "8", "2", "64", "7", "15")
    assert rows[1] == ("· (top)", "", "3", "2", "0", "", "10")
    assert rows[2] == ("· part", "", "5", "0", "64", "", "5")
    units_of_the_chip = 34 + 6 + 6 + 1
    total = [f"{units_of_the_chip * count:,}" for count in (8, 2, 64, 15)]
    assert rows[-1] == ("whole chip", "", *total[:3], "", total[3])


def test_a_report_counts_by_family() -> None:
    report = ModuleReport("x", {"$_AND_": 3, "$_DFF_P_": 2, "duramesh_sram": 1, "duramesh_analog_tile": 4}, 8, 50)
    assert (report.gates, report.flip_flops, report.srams, report.instances, report.nand2) == (3, 2, 1, 4, 12)
