"""The boundary between the digital fabric and the analog macro of a tile."""

from amaranth.hdl import ClockSignal, Instance, ResetSignal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.isa import ArrayBank, ReadoutBank, WriteBank
from rtl.parameters import ParametricSignature, whole

__all__ = ["AnalogEvent", "AnalogMacro", "AnalogPort"]


class AnalogEvent(data.Struct):
    """Which events of docs/fabric.md, "Analog boundary of a tile", happen in this cycle. For simulation only."""

    precharge: 1
    integrate: 1
    ramp: 1
    write: 1


class AnalogPort(ParametricSignature):
    """Everything that passes between a tile's digital part and its analog macro, as the macro sees it.

    Parameters
    ----------
    lanes, bias_rows : int

    Members
    -------
    rows : In(lanes + bias_rows)
        Row pulses; bias rows last.
    columns_in : In(lanes)
        Column pulses that program.
    array : In(ArrayBank)
    readout : In(ReadoutBank)
    write : In(WriteBank)
        Control signals in force.
    neighbour_north_shares, neighbour_south_shares : In(1)
        The northern tile's `share_south` and the southern one's `share_north`, in force.
    clear : In(1)
        Clear `fault`.
    columns_out : Out(lanes)
        Comparator pulses, before the output gate.
    event : Out(AnalogEvent)
    fault : Out(1)
        Sticky: controls that contradict each other.

    Raises
    ------
    TypeError, ValueError
        On a number of lanes that is none, or of bias rows that is not 1 to 8.

    Source
    ------
    Signals: Nature 620, 768 (2023), Methods. The boundary is our assumption.
    """

    PARAMETERS = ("lanes", "bias_rows")

    def __init__(self, lanes: int, bias_rows: int) -> None:
        self._lanes, self._bias_rows = whole("lanes", lanes, 1), whole("bias_rows", bias_rows, 1, 8)
        super().__init__(
            {
                "rows": In(lanes + bias_rows),
                "columns_in": In(lanes),
                "array": In(ArrayBank),
                "readout": In(ReadoutBank),
                "write": In(WriteBank),
                "neighbour_north_shares": In(1),
                "neighbour_south_shares": In(1),
                "clear": In(1),
                "columns_out": Out(lanes),
                "event": Out(AnalogEvent),
                "fault": Out(1),
            }
        )

    @property
    def lanes(self) -> int:
        return self._lanes

    @property
    def bias_rows(self) -> int:
        return self._bias_rows


class AnalogMacro(wiring.Component):
    """The black box `analog_tile`: a hard macro to synthesis, a shell around the physics in simulation.

    Parameters
    ----------
    lanes, bias_rows : int
        Handed on as LANES and BIAS_ROWS.

    Members
    -------
    Those of `AnalogPort`.
    """

    def __init__(self, lanes: int, bias_rows: int) -> None:
        super().__init__(AnalogPort(lanes, bias_rows))

    @property
    def lanes(self) -> int:
        return self.signature.lanes

    @property
    def bias_rows(self) -> int:
        return self.signature.bias_rows

    def elaborate(self, platform: object) -> Instance:
        array, readout, write = self.array, self.readout, self.write
        return Instance(
            "analog_tile",
            p_LANES=self.lanes,
            p_BIAS_ROWS=self.bias_rows,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_rows=self.rows,
            i_columns_in=self.columns_in,
            i_precharge=array.precharge,
            i_integrate=array.integrate,
            i_wp1=array.wp1,
            i_wp2=array.wp2,
            i_discharge=array.discharge,
            i_capacitors=array.capacitors,
            i_share_north=array.share_north,
            i_share_south=array.share_south,
            i_neighbour_north_shares=self.neighbour_north_shares,
            i_neighbour_south_shares=self.neighbour_south_shares,
            i_ramp=readout.ramp,
            i_ramp_start=readout.ramp_start,
            i_ramp_slope=readout.ramp_slope,
            i_write=write.write,
            i_write_row=write.row,
            i_write_device=write.device,
            i_write_reset=write.reset,
            i_return_line=write.return_line,
            i_clear=self.clear,
            o_columns_out=self.columns_out,
            o_event_strobe=self.event,
            o_fault=self.fault,
        )
