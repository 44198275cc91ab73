"""The page of `duramesh view` in Chromium: what moves when a person moves it."""

import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from cosim.view import View, page, shipped_view
from tests.cosim.view.test_view import many_steps

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,1000",
)
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's packages chromium and chromium-driver"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("view") / "kws.html"
    path.write_text(page(shipped_view()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(browser: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The page as it opens: step 1, no unit chosen."""
    browser.get("about:blank")
    browser.get(address)
    return browser


def find(browser: webdriver.Chrome, selector: str) -> WebElement:
    return browser.find_element(By.CSS_SELECTOR, selector)


def heading(browser: webdriver.Chrome) -> str:
    """Of the step that is shown: exactly one is."""
    (section,) = (s for s in browser.find_elements(By.CSS_SELECTOR, "#steps section") if s.is_displayed())
    return section.find_element(By.TAG_NAME, "h2").text


def layers(browser: webdriver.Chrome) -> list[str]:
    """Steps whose routes are drawn."""
    drawn = browser.find_elements(By.CSS_SELECTOR, "#chip g.step")
    return [str(layer.get_attribute("data-step")) for layer in drawn if layer.is_displayed()]


def listings(browser: webdriver.Chrome) -> list[str]:
    """Units whose program is shown."""
    sections = browser.find_elements(By.CSS_SELECTOR, "#units section")
    return [str(section.get_attribute("data-show")) for section in sections if section.is_displayed()]


def marked(browser: webdriver.Chrome) -> list[str]:
    """Instructions that are marked as in force in the shown cycle, of the shown listing."""
    lines = browser.find_elements(By.CSS_SELECTOR, "#units section:not(.off) .now code")
    return [" ".join(line.text.split()) for line in lines]


def test_the_slider_moves_the_picture(shown: webdriver.Chrome) -> None:
    chip = find(shown, "#chip")
    before = chip.screenshot_as_png
    assert (heading(shown), layers(shown)) == ("Step 1 of 8 0 - 299 ns", ["1"])
    slider = find(shown, "#slider")
    for _ in range(4):
        slider.send_keys(Keys.ARROW_RIGHT)
    assert (heading(shown), layers(shown)) == ("Step 5 of 8 1,200 - 1,499 ns", ["5"])
    assert chip.screenshot_as_png != before
    for _ in range(4):
        slider.send_keys(Keys.ARROW_LEFT)
    assert layers(shown) == ["1"]
    assert chip.screenshot_as_png == before


def test_arrow_keys_and_buttons_go_step_by_step(shown: webdriver.Chrome) -> None:
    body = find(shown, "body")
    body.send_keys(Keys.ARROW_RIGHT)
    find(shown, "#on").click()
    assert layers(shown) == ["3"]
    body.send_keys(Keys.ARROW_LEFT)
    find(shown, "#back").click()
    find(shown, "#back").click()  # there is none before the first
    assert layers(shown) == ["1"]
    find(shown, "#strip [data-go='8']").click()
    find(shown, "#on").click()
    assert layers(shown) == ["8"]


def test_a_click_on_a_tile_shows_its_program(shown: webdriver.Chrome) -> None:
    assert listings(shown) == []
    find(shown, "#chip [data-unit='TILE 1']").click()
    assert listings(shown) == ["TILE 1"]
    assert "layer2" in find(shown, "#units section:not(.off) h2").text
    find(shown, "#chip [data-unit='ILP 0']").click()
    assert listings(shown) == ["ILP 0"]
    assert marked(shown) == ["@4 PULSE fire, advance=1"]


def test_marks_follow_the_step(shown: webdriver.Chrome) -> None:
    find(shown, "#chip [data-unit='TILE 1']").click()
    find(shown, "#strip [data-go='7']").click()
    assert marked(shown) == [
        "@1800 MESH south_to_net=all, net_to_rows=all",
        "@1801 BIAS durations=128",
        "@1808 ARRAY integrate, wp1, wp2, capacitors=1",
    ]
    find(shown, "body").send_keys(Keys.ARROW_RIGHT)
    assert "@2112 READOUT ramp, ramp_start=60, ramp_slope=128, output_enable" in marked(shown)


def test_a_keyboard_is_enough(shown: webdriver.Chrome) -> None:
    tile = find(shown, "#chip [data-unit='TILE 7']")
    shown.execute_script("arguments[0].focus()", tile)
    tile.send_keys(Keys.ENTER)
    assert listings(shown) == ["TILE 7"]
    find(shown, "body").send_keys(Keys.ESCAPE)
    assert listings(shown) == []


def test_play_goes_on_by_itself(shown: webdriver.Chrome) -> None:
    play = find(shown, "#play")
    play.click()
    assert play.text == "Pause"
    WebDriverWait(shown, 10, poll_frequency=0.1).until(lambda browser: layers(browser) == ["2"])
    play.click()
    assert play.text == "Play"


def test_the_address_leads_back(shown: webdriver.Chrome, address: str) -> None:
    shown.get("about:blank")
    shown.get(f"{address}#step=6&unit=TILE+6")
    assert (layers(shown), listings(shown)) == (["6"], ["TILE 6"])
    shown.get("about:blank")
    shown.get(f"{address}#step=99&unit=TILE+99")
    assert (layers(shown), listings(shown)) == (["8"], [])


@pytest.mark.parametrize("place", ["step=5&unit=TILE+6", "step=5"])
def test_the_title_stays_when_a_unit_is_shown(shown: webdriver.Chrome, address: str, place: str) -> None:
    """From an address, and by a click: only the panel beside the chip scrolls."""
    shown.get("about:blank")
    shown.get(f"{address}#{place}")
    if "unit" not in place:
        find(shown, "#chip [data-unit='TILE 6']").click()
    assert shown.execute_script("return window.scrollY") == 0
    for selector in ("header h1", "#units section:not(.off) h2"):
        top = shown.execute_script("return arguments[0].getBoundingClientRect().top", find(shown, selector))
        assert 0 <= top < shown.execute_script("return innerHeight")


#: Of each number above the strip: where it begins and ends, and where the strip does.
NUMBERS = """
const strip = document.querySelector("#strip .track").getBoundingClientRect();
const boxes = Array.from(document.querySelectorAll("#strip .track button")).filter((button) => button.textContent);
return boxes.map((button) => {
  const range = document.createRange();
  range.selectNodeContents(button);
  const box = range.getBoundingClientRect();
  return [button.textContent, getComputedStyle(button).overflow, box.left, box.right, strip.right];
});
"""


@pytest.mark.parametrize("width", [1440, 700])
@pytest.mark.parametrize("steps", [3, 31, 68, 200])
def test_numbers_of_many_steps_have_room(browser: webdriver.Chrome, tmp_path: Path, steps: int, width: int) -> None:
    path = tmp_path / "many.html"
    path.write_text(page(View(many_steps(steps))), encoding="utf-8")
    browser.set_window_size(width, 1000)
    browser.get(path.as_uri())
    numbers = browser.execute_script(NUMBERS)
    browser.set_window_size(1440, 1000)
    assert numbers
    assert all(overflow == "visible" for _, overflow, *_ in numbers)
    ends = [(left, right) for _, _, left, right, _ in numbers]
    assert all(right <= following for (_, right), (following, _) in pairwise(ends))
    assert all(right <= end + 1 for *_, right, end in numbers)


def test_shared_capacitors_are_drawn_beside_the_labels(shown: webdriver.Chrome) -> None:
    """No line of a step lies over a tile's label."""
    shown.execute_script("location.hash = 'step=1'")
    overlaps = shown.execute_script(
        """
        const shown = (part) => part.getBoundingClientRect();
        const labels = Array.from(document.querySelectorAll("#chip g.step:not(.off) text")).filter(
          (text) => text.textContent.startsWith("layer"));
        const lines = Array.from(document.querySelectorAll("#chip g.step:not(.off) polyline")).filter(
          (line) => line.getAttribute("stroke") === "var(--ink)");
        return [labels.length, lines.length, labels.flatMap((label) => lines.filter((line) => {
          const [a, b] = [shown(label), shown(line)];
          return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
        })).length];
        """
    )
    assert overlaps[0] >= 2
    assert overlaps[1] >= 3
    assert overlaps[2] == 0


def test_dark_is_dark(shown: webdriver.Chrome) -> None:
    def background() -> int:
        colour = str(find(shown, "body").value_of_css_property("background-color"))
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3])

    def scheme(name: str) -> None:
        shown.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]}
        )

    scheme("light")
    light = background()
    scheme("dark")
    assert background() < 150 < 600 < light
    scheme("light")


def test_nothing_is_loaded_and_nothing_complains(shown: webdriver.Chrome) -> None:
    assert shown.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert shown.get_log("browser") == []
