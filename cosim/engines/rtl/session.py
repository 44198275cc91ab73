"""A chip on the RTL that stays open: one living simulator process."""

from collections.abc import Collection, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.rtl.channel import Message
from cosim.engines.rtl.process import SimulatorProcess
from cosim.engines.rtl.simulator import Simulator
from cosim.engines.rtl.waves import write_save_file
from cosim.engines.session import Closing, Codes, SessionClosedError, check_chip, frame_numbers
from cosim.program import ChipImage

__all__ = ["RtlSession"]


class RtlSession(Closing):
    """An image and a chip in a simulator, ready to run; `cosim.engines.session.ChipSession`.

    Parameters
    ----------
    simulator : Simulator
    image : ChipImage
    chip : AnalogChip
        It is not changed: the simulator works on a copy.
    pause : float
        Chance that the host port holds back a beat in a cycle.
    bare : bool
        After each group of frames, let the model run as many cycles of it again, alone, and time that.
    trace : Path, optional
        Waveform file; the viewer's save file is written beside it.
    shown : collection of int, optional
        Numbers of the frames that the waveform shows; by default all that happens.
    timeout_s : float, optional
        How long an answer of the simulator may take; by default as long as it takes.

    Members
    -------
    statistics : mapping
        Sums over all runs: `frames`, `cycles` (since reset, with all host transfers), `events` (analog ones), `wall_s`
        and its parts `simulator_s`, `analog_s` (the physics), `host_s` (Python that carries vectors and events) and
        `transfer_s` (between the processes); the rates `cycles_per_s` and `frames_per_s` over `wall_s`; beside it
        `startup_s`, which starting the process took, and `cpu_s`, the process's CPU time over `wall_s`.

    Raises
    ------
    ProgramError
        If image and chip differ in size.
    ChipError
        If the chip reports an error or hangs. The session is closed then, as after every error that follows.
    SimulationError
        If the simulator ends, or does not answer in time.
    """

    def __init__(
        self,
        simulator: Simulator,
        image: ChipImage,
        chip: AnalogChip,
        *,
        pause: float = 0.0,
        bare: bool = False,
        trace: Path | None = None,
        shown: Collection[int] | None = None,
        timeout_s: float | None = None,
    ) -> None:
        check_chip(image, chip)
        self.image = image
        began = perf_counter()
        self._process = SimulatorProcess(simulator, trace=trace, timeout_s=timeout_s)
        meta, arrays = image.to_parts()
        parts = {f"image {name}": array for name, array in arrays.items()}
        parts |= {f"chip {name}": array for name, array in chip.to_arrays().items()}
        asked = {"image": meta, "pause": pause, "bare": bare, "shown": None if shown is None else sorted(shown)}
        answer = self._process.request(Message("open", asked, parts), "load the image")
        if trace is not None:
            write_save_file(trace, image.config, image.words, start_ns=answer.meta["now_ns"])
        self._counted: dict[str, Any] = dict(answer.meta)
        self._startup_s = perf_counter() - began - self._counted["wall_s"]
        self._transfer_s = 0.0

    @property
    def pid(self) -> int:
        """Number of the simulator's process."""
        return self._process.pid

    @property
    def statistics(self) -> Mapping[str, Any]:
        wall = self._counted["wall_s"] + self._transfer_s
        rates = {f"{name}_per_s": self._counted[name] / wall for name in ("cycles", "frames")}
        return {
            **self._counted,
            "wall_s": wall,
            "transfer_s": self._transfer_s,
            "startup_s": self._startup_s,
            **rates,
        }

    def run(self, entry: str, codes: ArrayLike, frames: ArrayLike) -> Codes:
        """Run one frame for each row of `codes`: `ChipSession.run`."""
        if not self._process.alive:
            raise SessionClosedError("this session is closed; open another one")
        program = self.image.entry(entry)
        inputs = program.input_codes(codes)
        numbers = frame_numbers(inputs, frames)
        began = perf_counter()
        request = Message("run", {"entry": entry}, {"codes": inputs, "frames": numbers})
        answer = self._process.request(request, f"run {len(inputs)} frames of entry {entry}")
        spent = answer.meta["wall_s"] - self._counted["wall_s"]
        self._counted = dict(answer.meta)
        self._transfer_s += perf_counter() - began - spent
        return {out.name: answer.arrays[out.name].astype(np.uint8, copy=False) for out in program.outputs}

    def close(self) -> None:
        """End the session and its process; a second call does nothing."""
        self._process.close()
