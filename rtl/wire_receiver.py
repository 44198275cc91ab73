"""Where the wires of an output landing pad end."""

from amaranth.hdl import ClockSignal, Instance
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.parameters import ParametricSignature, whole

__all__ = ["ReceiverPort", "WireReceiver"]


class ReceiverPort(ParametricSignature):
    """What passes through a landing pad's receiver.

    Parameters
    ----------
    lanes : int

    Members
    -------
    wires : In(lanes)
        What the mesh's edge drives.
    opens : In(1)
        A counting window opens in the next cycle.
    data : Out(lanes)
        What the landing pad counts.

    Raises
    ------
    TypeError, ValueError
        On a number of lanes that is none.

    Source
    ------
    Our assumption.
    """

    PARAMETERS = ("lanes",)

    def __init__(self, lanes: int) -> None:
        self._lanes = whole("lanes", lanes, 1)
        super().__init__({"wires": In(lanes), "opens": In(1), "data": Out(lanes)})

    @property
    def lanes(self) -> int:
        return self._lanes


class WireReceiver(wiring.Component):
    """The module `wire_receiver`: wires on silicon, a shell that adds transport errors in simulation.

    Parameters
    ----------
    lanes : int
        Handed on as LANES.

    Members
    -------
    Those of `ReceiverPort`.

    Timing
    ------
    Combinational. What the shell does is in docs/fabric.md, "Receivers".
    """

    def __init__(self, lanes: int) -> None:
        super().__init__(ReceiverPort(lanes))

    @property
    def lanes(self) -> int:
        return self.signature.lanes

    def elaborate(self, platform: object) -> Instance:
        return Instance(
            "wire_receiver",
            p_LANES=self.lanes,
            i_clk=ClockSignal(),
            i_wires=self.wires,
            i_opens=self.opens,
            o_data=self.data,
        )
