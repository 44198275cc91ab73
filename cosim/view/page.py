"""A view as one HTML page that needs nothing but a browser; template, style and script are files beside this one."""

from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from string import Template
from xml.etree import ElementTree as Xml

from cosim.experiment.routes import Activity, Step
from cosim.fabric.mesh_graph import Place
from cosim.isa.assembler import listing
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from cosim.program.listing import slots_of, summary
from cosim.view.energy import FrameEnergy
from cosim.view.palette import Palette
from cosim.view.pictures import layered_svg, route_colours
from cosim.view.view import InForce, Move, View

__all__ = ["page"]

_KINDS = ("precharge", "integrate", "ramp", "send", "count", "write")
_ROUTES = 8
#: Every so many steps have their number above the strip: the first for which each digit has this share of the width.
_EVERY, _DIGIT = (1, 2, 5, 10, 20, 50, 100), 0.022
#: The colours are variables of the style sheet, which knows light and dark.
_SCREEN = Palette(
    routes=tuple(f"var(--route-{index})" for index in range(_ROUTES)),
    ink="var(--ink)",
    faint="var(--faint)",
    idle="var(--idle)",
    paper="var(--paper)",
    input_pad="var(--input-pad)",
    holds="var(--holds)",
    domains=("var(--domain-0)", "var(--domain-1)"),
    work={kind: f"var(--{kind})" for kind in ("write", "integrate", "precharge", "ramp")},
)
_DEVICES = ("G+", "G-", "g+", "g-")  # in the order of rtl.isa.Device


def page(view: View) -> str:
    """The page of a view, as text.

    Whatever belongs to one step only is an element with ``data-step``; all but those of the first step begin hidden. A
    word's line has the steps in which it is in force: in the shown cycle in ``data-now``, at any time in ``data-in``.
    """
    return _Page(view).text()


class _Page:
    def __init__(self, view: View) -> None:
        self.view = view
        self.config = view.experiment.config
        self.colours = route_colours(view.snapshots, _SCREEN)

    def text(self) -> str:
        here = files("cosim.view")
        parts = {name: (here / f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")}
        fields = {
            "title": _html(_element("title", f"{self.view.experiment.name} - duramesh")),
            "css": parts["css"],
            "js": parts["js"],
            "name": _html(_element("h1", self.view.experiment.name)),
            "summary": "".join(map(_html, self.summary())),
            "chip": _html(self.chip()),
            "slider": _html(self.slider()),
            "strip": _html(self.strip()),
            "steps": "".join(_html(self.step(number)) for number in range(1, len(self.view.steps) + 1)),
            "units": "".join(_html(self.unit(unit)) for unit in self.view.units),
        }
        return Template(parts["html"]).substitute(fields)

    # ---- the whole

    def summary(self) -> Iterator[Xml.Element]:
        view, count = self.view, len(self.view.steps)
        lengths = {len(range(step.start, step.stop)) for step in view.steps}
        each = f" of {lengths.pop():,} ns" if len(lengths) == 1 else ""
        what = "frame" if view.program else "run"
        steps = f"{count} step{'s' * (count > 1)}{each}"
        used = f"{len(view.uses)} of {self.config.tile_count} tiles hold weights"
        yield _element("p", f"{len(view.span):,} ns a {what} in {steps}; {used}")
        for problem in view.problems:
            notice = _element("p", "Illegal: ", class_="illegal", role="alert")
            _element("strong", problem.text, notice)
            if problem.cycle is not None:
                notice[-1].tail = " "
                step = str(view.step_of(problem.cycle))
                _element("button", f"step {step}", notice, type="button", data_go=step)
            yield notice
        if view.program:
            details = _element("details")
            _element("summary", "Layers", details)
            lines = _element("ul", parent=details)
            for text in summary(view.program):
                _element("li", text, lines)
            yield details
            if energy := FrameEnergy.of(view.program):
                yield self.energy(energy)

    def energy(self, energy: FrameEnergy) -> Xml.Element:
        """A row for each unit that works, a column for each step of 300 ns."""
        details = _element("details")
        _element("summary", f"Energy of a frame: {energy.whole_nj:,.0f} nJ, in nJ by unit and step", details)
        text = f"With inputs of a mean code of {energy.mean_code:.0f}; clock and leakage are in the sum only."
        _element("p", text, details)
        table = _element("table", parent=details, class_="work")
        head = _element("tr", parent=table)
        for name in ("", *(str(step + 1) for step in energy.steps), "no step"):
            _element("th", name, head, scope="col")
        for unit, values in energy.units.items():
            row = _element("tr", parent=table)
            self.link(Unit.parse(unit), _element("th", parent=row, scope="row"))
            for value in values:
                _element("td", f"{value:.2f}" if value else "", row, class_="cycles")
        return details

    def chip(self) -> Xml.Element:
        svg = layered_svg(self.view.snapshots, self.view.uses, _SCREEN)
        svg.set("id", "chip")
        svg.set("role", "group")
        svg.set("aria-label", "floorplan of the chip")
        for layer in svg.iter("g"):
            if layer.get("class") == "step":
                _show_in(layer, int(layer.attrib["data-step"]))
        for handle in svg.iter("rect"):
            if unit := handle.get("data-unit"):
                tile = Unit.parse(unit)
                use = self.view.uses.get(tile.index) if tile.kind is TILE else None
                text = f"{unit}, {self.view.describe(tile)}" + (f": {use}" if use else "")
                handle.set("aria-label", text)
                handle[0].text = text
        return svg

    def slider(self) -> Xml.Element:
        last = str(len(self.view.steps))
        return _element("input", id="slider", type="range", aria_label="step", min="1", max=last, value="1")

    def strip(self) -> Xml.Element:
        """Who does what when: a row for each unit at work, above them a button for each step."""
        strip = _element("div", id="strip")
        head = _element("div", parent=strip, class_="row")
        _element("span", "step", head, class_="label")
        track = _element("div", parent=head, class_="track")
        numbered = self.numbered()
        for number, step in enumerate(self.view.steps, start=1):
            text = str(number) if number in numbered else ""
            button = _element("button", text, track, type="button", data_go=str(number), aria_label=f"step {number}")
            button.set("style", self.place(step.start, step.stop))
            button.set("title", f"step {number}: {self.cycles(step.start, step.stop)}")
        activities = self.view.routes.during(self.view.span.start, self.view.span.stop)
        for unit in self.view.units:
            mine = [activity for activity in activities if activity.unit == unit]
            if mine:
                self.strip_row(strip, unit, mine)
        for number, step in enumerate(self.view.steps, start=1):
            box = _element("div", parent=_element("div", parent=strip, class_="shade"))
            box.set("style", self.place(step.start, step.stop))
            _show_in(box, number)
        return strip

    def numbered(self) -> list[int]:
        """Steps whose numbers have room above the strip: each up to the next one, the last up to the end."""
        span = self.view.span
        places = [(step.start - span.start) / len(span) for step in self.view.steps]

        def ends(number: int) -> float:
            return places[number - 1] + _DIGIT * len(str(number))

        chosen: list[int] = []
        for every in _EVERY:
            chosen = [number for number in range(every, len(places) + 1, every) if ends(number) <= 1]
            if all(ends(number) <= places[following - 1] for number, following in pairwise(chosen)):
                break
        return chosen

    def strip_row(self, strip: Xml.Element, unit: Unit, activities: list[Activity]) -> None:
        row = _element("div", parent=strip, class_="row")
        self.link(unit, _element("span", parent=row, class_="label"))
        track = _element("div", parent=row, class_="track")
        for activity in activities:
            bar = _element("i", parent=track, class_=activity.kind)
            bar.set("style", self.place(activity.start, activity.stop))
            bar.set("title", f"{unit} {self.sentence(activity)}, {self.cycles(activity.start, activity.stop)}")

    def place(self, start: int, stop: int) -> str:
        """CSS of a bar on a track."""
        span = self.view.span
        left, right = max(start, span.start) - span.start, min(stop, span.stop) - span.start
        return f"left:{100 * left / len(span):.3f}%;width:{100 * (right - left) / len(span):.3f}%"

    def cycles(self, start: int, stop: int) -> str:
        """Cycles of the frame or run that is shown, in words."""
        first, last = start - self.view.span.start, min(stop, self.view.span.stop) - 1 - self.view.span.start
        return f"{f'{first:,}' if first >= 0 else 'before'} - {last:,} ns"

    # ---- one step

    def step(self, number: int) -> Xml.Element:
        step, snapshot = self.view.steps[number - 1], self.view.snapshots[number - 1]
        section = _element("section")
        _show_in(section, number)
        heading = _element("h2", f"Step {number} of {len(self.view.steps)} ", section)
        _element("small", self.cycles(step.start, step.stop), heading)
        moves = list(self.view.moves(snapshot))
        if moves:
            items = _element("ul", parent=section, class_="moves")
            for move in moves:
                self.move(move, snapshot.activities, _element("li", parent=items))
        else:
            _element("p", "Nothing is sent.", section)
        table = _element("table", parent=section, class_="work")
        for unit in self.view.units:
            for activity in self.view.doing(unit, step):
                row = _element("tr", parent=table)
                self.link(unit, _element("th", parent=row, scope="row"))
                cell = _element("td", parent=row)
                _element("i", parent=cell, class_=f"key {activity.kind}").tail = f" {self.sentence(activity)}"
                _element("td", self.cycles(activity.start, activity.stop), row, class_="cycles")
        return section

    def move(self, move: Move, activities: tuple[Activity, ...], item: Xml.Element) -> None:
        swatch = _element("i", parent=item, class_="swatch")
        swatch.set("style", f"background:{self.colours[move.source]}")
        swatch.tail = " "
        self.end(move.source, item)
        slots = [a.fields["slot"] for a in activities if a.kind == "send" and a.unit == self.unit_at(move.source)[0]
                 and "slot" in a.fields]  # fmt: skip
        item[-1].tail = f" (vector {', '.join(map(str, slots))}) \u2192 " if slots else " \u2192 "
        for index, target in enumerate(move.targets):
            if index:
                item[-1].tail = (item[-1].tail or "") + ", "
            self.end(target, item)
        if not move.targets:
            item[-1].tail += "nobody"
        if move.over:
            item[-1].tail = (item[-1].tail or "") + f"; over tile{'s' * (len(move.over) > 1)} "
            for index, tile in enumerate(move.over):
                if index:
                    item[-1].tail = ", "
                self.link(Unit(TILE, tile), item, str(tile))

    def end(self, place: Place, parent: Xml.Element) -> None:
        unit, part = self.unit_at(place)
        self.link(unit, parent, f"{unit}{part}")

    def unit_at(self, place: Place) -> tuple[Unit, str]:
        """The unit where a vector begins or ends, and which part of it."""
        domains = self.config.floorplan.domains
        mesh = self.view.snapshots[0].state.mesh
        if place.kind == "ilp":
            return Unit(ILP, place.tile), f" {domains[place.tile]}"
        for index, domain in enumerate(domains):
            if mesh.olp(index) == place:
                return Unit(OLP, index), f" {domain}"
        return Unit(TILE, place.tile), {"rows": " rows", "columns": " columns", "outputs": " columns"}[place.kind]

    def sentence(self, activity: Activity) -> str:
        """What a unit does, as what follows its name."""
        fields = activity.fields
        match activity.kind:
            case "precharge":
                return "precharges its capacitors"
            case "integrate":
                pairs = " and ".join(pair.upper() for pair in ("wp1", "wp2") if fields[pair]) or "no devices"
                sign = "discharging" if fields["discharge"] else "charging"
                shared = [edge for edge in ("north", "south") if fields[f"share_{edge}"]]
                with_whom = f", shared with the tile {' and '.join(shared)} of it" if shared else ""
                number = fields["capacitors"]
                return f"integrates {pairs}, {sign} {number} capacitor{'s' * (number != 1)} a column{with_whom}"
            case "ramp":
                return f"ramps from code {fields['ramp_start']} with slope {fields['ramp_slope']}"
            case "write":
                how = "RESET" if fields["reset"] else "partial SET"
                return f"writes row {fields['row']}, {_DEVICES[fields['device']]}: {how}"
            case "count":
                return f"counts, for result {fields['slot']}"
        return f"sends vector {fields['slot']}" if "slot" in fields else "sends its columns' pulses"

    # ---- one unit

    def unit(self, unit: Unit) -> Xml.Element:
        section = _element("section", data_show=str(unit), class_="off")
        heading = _element("h2", f"{unit} ", section)
        _element("small", self.view.describe(unit), heading)
        for line in self.facts(unit):
            _element("p", line, section)
        for number, step in enumerate(self.view.steps, start=1):
            self.doing(unit, step, number, section)
        words = self.view.experiment.units.get(unit)
        if words is None:
            _element("p", "No program: it halts at once.", section)
            return section
        in_force = self.view.in_force(unit)
        lines = _element("ol", parent=section, class_="listing")
        for address, text in listing(words, unit.kind):
            self.word(_element("li", parent=lines), text, [each for each in in_force if each.address == address])
        return section

    def facts(self, unit: Unit) -> Iterator[str]:
        if unit.kind is TILE and unit.index in self.view.uses:
            yield f"In use: {self.view.uses[unit.index]}."
        if self.view.program:
            yield from (line.partition(", ")[2] for line in slots_of(self.view.program, unit))

    def doing(self, unit: Unit, step: Step, number: int, section: Xml.Element) -> None:
        """In this step: what it does, and which of its switches something passes."""
        texts = [f"{self.sentence(act)}, {self.cycles(act.start, act.stop)}" for act in self.view.doing(unit, step)]
        if unit.kind is TILE:
            flows = self.view.snapshots[number - 1].flows
            passed = [flow for flow in flows if flow.arc is not None and flow.arc.tile == unit.index]
            for flow in passed:
                assert flow.arc is not None
                source, part = self.unit_at(flow.source)
                lanes = "" if flow.lanes.all() else f", {int(flow.lanes.sum())} of {flow.lanes.size} lanes"
                texts.append(f"{flow.arc.switch.replace('_', ' ')}: {source}{part}{lanes}")
        items = _element("ul", parent=section, class_="doing")
        _show_in(items, number)
        for text in texts or ["idle in this step"]:
            _element("li", text, items)

    def word(self, item: Xml.Element, text: str, in_force: list[InForce]) -> None:
        numbered = list(enumerate(self.view.steps, start=1))
        now = [n for n, step in numbered if any(each.start <= step.shown < each.stop for each in in_force)]
        during = [n for n, step in numbered if any(each.overlaps(step) for each in in_force)]
        _element("code", text.removeprefix("    "), item)
        if in_force:
            item.set("data-now", " ".join(map(str, now)))
            item.set("data-in", " ".join(map(str, during)))
            _element("small", ", ".join(self.cycles(each.start, each.stop) for each in in_force[:2]), item)

    def link(self, unit: Unit, parent: Xml.Element, text: str = "") -> None:
        _element("button", text or str(unit), parent, type="button", class_="link", data_unit=str(unit))


def _element(tag: str, text: str = "", parent: Xml.Element | None = None, **attributes: str) -> Xml.Element:
    """An element; ``class_`` and ``data_step`` stand for attributes that Python cannot spell."""
    spelt = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    element = Xml.Element(tag, spelt) if parent is None else Xml.SubElement(parent, tag, spelt)
    element.text = text
    return element


def _show_in(element: Xml.Element, number: int) -> None:
    """Show an element in one step only; the first is shown at the beginning."""
    element.set("data-step", str(number))
    if number > 1:
        element.set("class", f"{element.get('class', '')} off".strip())


def _html(element: Xml.Element) -> str:
    """An element as HTML, its text escaped."""
    return Xml.tostring(element, encoding="unicode", method="html")
