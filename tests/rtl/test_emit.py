"""Verilog does not depend on which Yosys is on PATH or in the environment, nor on a home folder that can be written."""

import os
import subprocess
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rtl.emit import to_verilog


class Inverter(wiring.Component):
    a: In(1)
    b: Out(1)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.comb += self.b.eq(~self.a)
        return m


@pytest.mark.parametrize("chosen", ["bogus", "system", "javascript"])
def test_the_yosys_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    expected = to_verilog(Inverter(), "inverter")
    monkeypatch.setenv("AMARANTH_USE_YOSYS", chosen)
    (tmp_path / "yosys").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "yosys").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert to_verilog(Inverter(), "inverter") == expected


def test_yosys_has_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps what it compiles there, and does not run without."""
    homes = []
    real, outside = subprocess.run, dict(os.environ)

    def run(command, *, env, **options):
        homes.append(env["HOME"])
        return real(command, env=outside, **options)  # which has all compiled

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    to_verilog(Inverter(), "inverter")
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file" / "nowhere", "/proc/x"):  # the latter not even for whoever may write everywhere
        monkeypatch.setenv("HOME", str(home))
        to_verilog(Inverter(), "inverter")
    assert homes[0] == str(tmp_path)
    assert all(Path(home).is_dir() for home in homes[1:])
