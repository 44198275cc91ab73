"""The local controller's banks and bias rows, under any program."""

from amaranth.hdl import Mux, Signal, Value

from rtl.isa import ArrayBank, BiasBank, Mode, ReadoutBank, WriteBank
from rtl.local_controller import BiasPulses, LocalController
from rtl.sequencer import view_as
from tests.formal.harness import Bench, proof

BIAS_ROWS = 2


@proof(prove=2, cover=10, quick=True)
def banks(bench: Bench) -> None:
    """Each bank is what was last written to it, two cycles late, whatever goes to the others."""
    m = bench.m
    dut = LocalController(program_depth=4, loop_levels=1, bias_rows=BIAS_ROWS)
    inside = bench.put(dut)
    issue, bank, payload = (inside.signal(f"sequencer.{name}") for name in ("issue", "bank", "payload"))
    layouts = {"array": ArrayBank, "readout": ReadoutBank, "bias": BiasBank, "write": WriteBank}
    modes = {"array": Mode.BANK1, "readout": Mode.BANK2, "bias": Mode.BANK3, "write": Mode.BANK4}
    shown = {name: getattr(dut, name).as_value() for name in ("array", "readout", "write")}
    shown["bias"] = inside.signal("codes")

    for name, layout in layouts.items():
        book = Signal(layout, name=f"book_{name}")
        with m.If(issue & (bank == modes[name].value)):
            m.d.sync += book.eq(view_as(layout, payload))
        late = bench.past(book.as_value())
        bench.claim(
            f"{name}_in_force",
            "A bank write issued in cycle t is in force from cycle t + 2 (`CONTROL_LATENCY`) and leaves other banks "
            "unchanged.",
            shown[name] == late,
        )
        bench.invariant(f"{name}_issued", inside.signal(f"{name}_issued") == book.as_value())
    bench.claim(
        "halting_changes_nothing",
        "Halting changes no control signal",
        bench.past(dut.running | bench.past(dut.running) | bench.past(dut.running, 2))
        | (dut.array.as_value() == bench.past(dut.array.as_value())),
    )
    bench.claim(
        "no_write_unless_it_runs",
        "`HALT` stops the unit at the end of its own `wait + 1` cycles; `stop` from the host halts at once",
        ~(issue | dut.switches_write) | dut.running,
    )

    bench.cover("back_to_back", bench.past(issue & (bank == 1)) & issue & (bank == 2) & (payload != 0))
    bench.cover("level_outlives_the_program", ~dut.running & dut.array.integrate & dut.readout.output_enable)


@proof(prove=2, cover=8, quick=True)
def bias_rows(bench: Bench) -> None:
    """The pulses of the bias rows, for any codes and any course of `integrate`."""
    m = bench.m
    dut = BiasPulses(BIAS_ROWS)
    inside = bench.put(dut)
    begin = dut.integrate & ~bench.past(dut.integrate)
    sentence = "Bias rows rise in the first cycle with `integrate` in force and last for their code of the BIAS bank"
    for row in range(BIAS_ROWS):
        now = dut.codes.durations[row]
        code = Signal(8, name=f"code_{row}")
        age = Signal(9, name=f"age_{row}")  # cycles since the pulses began; 0 in the first
        with m.If(begin):
            m.d.sync += [code.eq(now), age.eq(1)]
        with m.Elif(age < 256):
            m.d.sync += age.eq(age + 1)
        bench.claim(f"pulse_{row}", sentence, dut.pulses[row] == Mux(begin, now != 0, age < code))
        left = inside.signal(f"left_{row}")
        bench.invariant(f"left_{row}", left == Mux(age < code, code - age, 0))
    pulses = Value.cast(dut.pulses)
    bench.cover("one_falls_first", ~begin & bench.past(pulses == 3) & (pulses == 2))
    bench.cover("runs_on_after_integrate", ~dut.integrate & (pulses == 3))
