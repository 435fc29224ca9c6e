"""The page in a real browser: it loads nothing from outside its folder, and every control works."""

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import HOSTILE
from playwright.sync_api import (
    Browser,
    Dialog,
    Page,
    Request,
    ViewportSize,
    expect,
    sync_playwright,
)

from facegen_jax.report import results
from facegen_jax.report.report import write_report
from facegen_jax.report.result import Result

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DESK: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        CHROMIUM is None and not os.environ.get("CI"),
        reason="needs Debian's chromium (apt-get install chromium)",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "CI must not skip the browser tests, but chromium is not installed"
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, swept, request) -> Iterator[Page]:
    """The sweep's page; fails on console messages, dialogs, and requests outside the folder."""
    context = browser.new_context(**{"viewport": DESK} | getattr(request, "param", {}))
    page = context.new_page()
    problems = watch(page, swept)
    page.goto((swept / "report.html").as_uri())
    yield page
    page.wait_for_timeout(50)
    assert problems == []
    context.close()


def watch(page: Page, folder: Path) -> list[str]:
    """Return a list that collects what the page must not do."""
    problems: list[str] = []
    allowed = (folder.as_uri(), "blob:", "data:")

    def on_dialog(dialog: Dialog) -> None:
        problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_request(request: Request) -> None:
        if not request.url.startswith(allowed):
            problems.append(request.url)

    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("dialog", on_dialog)
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("request", on_request)
    return problems


def latest(folder: Path) -> dict[str, Result]:
    locations = results.locate_latest(folder)
    return {result.id: result for result in results.read(locations)}


def similarity(result: Result) -> float:
    value = result.metrics["identity_similarity"]
    assert isinstance(value, float)
    return value


def count(page: Page) -> int:
    return int((page.locator("#count").text_content() or "").split(" of ")[0])


def run_column(page: Page, column: str) -> list[str]:
    """Return a column of the table of runs."""
    heads = [text.rstrip(" ↑↓") for text in page.locator("#runs thead th").all_text_contents()]
    return page.locator(
        f"#runs tbody tr td:nth-child({heads.index(column) + 1})"
    ).all_text_contents()


@pytest.mark.parametrize(
    "opened",
    [
        {"color_scheme": scheme, "viewport": size}
        for scheme in ("light", "dark")
        for size in (DESK, PHONE)
    ],
    indirect=True,
)
def test_the_page_is_accessible_and_fits_the_window(opened):
    for selector in (None, "dialog"):
        if selector:
            opened.locator("#faces .cell").nth(3).click()
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        violations = Axe().run(opened).response["violations"]
        assert [violation["id"] for violation in violations] == []


def test_faces_are_lazy_thumbnails_and_open_in_full(opened, swept):
    sources = opened.locator("#faces img").evaluate_all(
        "images => images.map(image => [image.getAttribute('src'), image.loading, image.alt])"
    )
    assert sources
    for source, loading, alt in sources:
        assert re.fullmatch(r"thumbs/(images|faces)/\w{16}\.webp", source)
        assert (loading, bool(alt)) == ("lazy", True)
    expect(opened.locator("#faces img").first).to_have_js_property("complete", True)
    assert opened.locator("#faces img").first.evaluate("image => image.naturalWidth") == 32
    opened.locator("#faces .cell").first.click()
    link = opened.locator("#viewer-settings a")
    assert (swept / (link.get_attribute("href") or "")).is_file()


def test_a_row_for_each_face_and_a_column_for_each_setting(opened):
    heads = opened.locator("#faces thead th").all_text_contents()
    assert heads == [
        "reference",
        "guides",
        "weights.attribute 0.1",
        "weights.attribute 1",
        "weights.attribute 10",
    ]
    assert opened.locator("#faces tbody tr").count() == 5
    assert opened.locator("#faces .failed").count() == 3
    opened.locator("#summary").get_by_text("weights.attribute 10").wait_for()
    opened.get_by_label("Columns").select_option("nothing")
    assert opened.locator("#faces thead th").all_text_contents() == [
        "reference",
        "guides, weights.attribute",
        "all",
    ]
    assert opened.locator("#faces tbody tr").count() == 15
    assert opened.locator(".overview [data-grouping]").input_value() == "nothing"


def test_filters_by_choice_number_text_and_search(opened, swept):
    assert count(opened) == 15
    opened.locator("#filters summary", has_text="status").click()
    opened.get_by_label("failed (3)").check()
    assert (
        count(opened)
        == opened.locator("#faces .cell").count()
        == opened.locator("#failure-list tbody tr").count()
        == 3
    )
    assert opened.locator("#scatter .point").count() == 0
    opened.get_by_label("failed (3)").uncheck()
    opened.get_by_label("ok (12)").check()
    opened.locator("#filters summary", has_text="weights.attribute").click()
    opened.get_by_label("0.1 (5)").check()
    opened.get_by_label("10 (5)").check()
    assert count(opened) == 8
    cosines = sorted(similarity(result) for result in latest(swept).values() if result.ok)
    opened.keyboard.press("Escape")
    opened.locator("#clear").click()
    assert count(opened) == 15
    opened.locator("#filters summary", has_text="identity similarity").click()
    opened.get_by_label("identity similarity from").fill(str(cosines[4] - 1e-5))
    assert count(opened) == opened.locator("#scatter .point").count() == 8
    opened.get_by_label("identity similarity to").fill(str(cosines[7] + 1e-5))
    assert count(opened) == 4
    opened.locator("#clear").click()
    opened.locator("#filters summary", has_text="more").click()
    opened.get_by_label("error contains").fill("NO SUCH file")
    assert count(opened) == 3
    opened.locator("#clear").click()
    opened.get_by_label("Find").fill("onerror")
    assert count(opened) == 6  # in a run's name and in a file name
    opened.get_by_label("Find").fill("nobody")
    assert count(opened) == 0
    assert opened.locator("#faces .cell").count() == 0


def test_runs_are_sorted_by_any_column_in_both_directions(opened):
    for name in ("identity similarity", "weights.attribute", "name"):
        previous = None
        for arrow, direction in (("↑", "ascending"), ("↓", "descending")):
            opened.locator("#runs thead button", has_text=name).first.click()
            head = opened.locator("#runs thead th", has_text=arrow)
            assert head.get_attribute("aria-sort") == direction
            texts = run_column(opened, name)
            present = [text for text in texts if text != "–"]
            key = str if name == "name" else float
            assert present == sorted(present, key=key, reverse=direction == "descending")
            missing = len(texts) - len(present)
            assert texts[len(present) :] == ["–"] * missing  # last in both directions
            assert present != previous
            previous = present
    opened.get_by_label("Sort by").select_option("identity_similarity")
    opened.locator("#direction").click()
    texts = run_column(opened, "identity similarity")
    assert texts[0] == min((text for text in texts if text != "–"), key=float)


def test_faces_are_sorted_by_their_median(opened, swept):
    opened.get_by_label("Sort by").select_option("identity_similarity")
    medians: dict[str, list[float]] = {}
    for result in latest(swept).values():
        if result.ok:
            medians.setdefault(result.reference, []).append(similarity(result))
    order = sorted(medians, key=lambda name: sorted(medians[name])[1])
    names = opened.locator("#faces .stays").all_text_contents()
    references = {
        HOSTILE: "3.png",
        "first": "0.png",
        "1": "1.png",
        "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>.png",
    }
    assert [references[name] for name in names[:-1]] == order
    assert names[-1] == "gone"


def test_the_slider_reveals_the_result(opened):
    opened.locator("#faces .cell").first.click()
    opened.get_by_role("button", name="Slider").click()
    over, bar = opened.locator(".stage .over"), opened.locator("#slider")
    assert over.evaluate("image => image.style.clipPath") == "inset(0px 0px 0px 50%)"
    bar.focus()
    opened.keyboard.press("Home")
    assert over.evaluate("image => image.style.clipPath") == "inset(0px 0px 0px 0%)"
    opened.keyboard.press("ArrowRight")
    assert bar.input_value() == "0.5"  # the arrow moves the slider, not the run
    box = opened.locator(".stage").bounding_box()
    assert box
    opened.mouse.move(box["x"] + 10, box["y"] + 20)
    opened.mouse.down()
    opened.mouse.move(box["x"] + box["width"] / 4, box["y"] + 30)
    opened.mouse.up()
    assert float(bar.input_value()) == pytest.approx(25, abs=1)
    pair = opened.locator(".stage img").evaluate_all(
        "images => images.map(image => image.getAttribute('src').split('/')[0])"
    )
    assert pair == ["faces", "images"]


def test_the_viewer_is_controlled_by_keys(opened, swept):
    first = opened.locator("#faces .cell").first
    first.focus()
    opened.keyboard.press("Enter")
    ids = opened.evaluate("shownRuns.map(run => data.ids[run])")
    start = ids.index(opened.evaluate("location.hash.slice(1)"))
    expect(opened.locator("#viewer-position")).to_have_text(f"{start + 1} of 15")
    assert [
        text.split(" ")[0]
        for text in opened.locator("#viewer-images figcaption").all_text_contents()
    ] == ["reference", "guide", "result"]
    opened.keyboard.press("ArrowRight")
    assert opened.evaluate("location.hash.slice(1)") == ids[start + 1]
    opened.keyboard.press("ArrowLeft")
    assert opened.evaluate("location.hash.slice(1)") == ids[start]
    for key, name in zip("1234", ("Side by side", "Slider", "Difference", "Descent"), strict=True):
        opened.keyboard.press(key)
        assert opened.get_by_role("button", name=name).get_attribute("aria-pressed") == "true", name
    opened.keyboard.press("Home")
    expect(opened.locator("#viewer-images output")).to_have_text("step 0")
    assert (opened.locator("#viewer-images img").get_attribute("src") or "").endswith("/000000.png")
    assert opened.locator("#viewer-curves path.curve").count() >= 4
    opened.keyboard.press("Escape")
    expect(opened.locator("#viewer")).to_be_hidden()
    assert first.evaluate("cell => cell === document.activeElement")
    assert "#" not in opened.url


def test_a_link_opens_a_run(browser, swept):
    page = browser.new_page(viewport=DESK)
    problems = watch(page, swept)
    failed = next(result.id for result in latest(swept).values() if not result.ok)
    page.goto(f"{(swept / 'report.html').as_uri()}#{failed}")
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#viewer-error")).to_contain_text("gone.png: no such file")
    expect(page.get_by_role("button", name="Slider")).to_be_disabled()
    expect(page.locator("#viewer-curves")).to_contain_text("This run has no losses")
    assert problems == []
    page.close()


def test_points_are_linked_to_faces(opened, swept):
    points = opened.locator("#scatter .point")
    assert points.count() == 12
    point = points.nth(5)
    run = opened.evaluate("run => data.ids[run]", int(point.get_attribute("data-run") or ""))
    point.hover(force=True)
    expect(opened.locator("#tip")).to_be_visible()
    assert run in (opened.locator("#tip img").get_attribute("src") or "")
    point.dispatch_event("click")
    assert opened.evaluate("location.hash.slice(1)") == run
    opened.keyboard.press("Escape")
    opened.locator("#scatter .point[tabindex='0']").focus()
    seen = []
    for _ in range(3):
        seen.append(
            opened.evaluate(
                "value('identity_similarity', Number(document.activeElement.dataset.run))"
            )
        )
        opened.keyboard.press("ArrowRight")
    assert seen == sorted(seen)
    assert "identity similarity" in opened.evaluate(
        "document.activeElement.getAttribute('aria-label')"
    )
    opened.keyboard.press("Enter")
    expect(opened.locator("#viewer")).to_be_visible()
    opened.keyboard.press("Escape")
    cell = opened.locator("#faces .cell").first
    cell.hover()
    marked = opened.locator("#scatter .point.marked")
    assert marked.get_attribute("data-run") == cell.get_attribute("data-run")
    opened.locator("#scatter-x").select_option("loss.last")
    assert points.count() == 12


def test_arrow_keys_move_from_face_to_face(opened):
    cells = opened.locator("#faces .cell")
    cells.nth(0).focus()
    for key, expected in (("ArrowRight", 1), ("ArrowDown", 4), ("ArrowLeft", 3), ("ArrowUp", 0)):
        opened.keyboard.press(key)
        assert cells.nth(expected).evaluate("cell => cell === document.activeElement"), key


def test_the_selection_is_downloaded_as_a_table(opened, swept, tmp_path):
    opened.get_by_label("Find").fill("onerror")
    with opened.expect_download() as downloaded:
        opened.locator("#download").click()
    downloaded.value.save_as(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    expected = {
        id: result for id, result in latest(swept).items() if "onerror" in json.dumps(result.pair)
    }
    assert rows.keys() == expected.keys()
    for id, row in rows.items():
        assert row["name"] == expected[id].name
        assert float(row["identity_similarity"]) == pytest.approx(
            similarity(expected[id]), rel=1e-4
        )


def test_hostile_names_are_shown_as_text(opened):
    assert HOSTILE in opened.locator("#faces .stays").all_text_contents()
    assert opened.locator("img[src='x']").count() == 0


def test_injected_scripts_do_not_run(browser, swept):
    page = browser.new_page()
    page.goto((swept / "report.html").as_uri())
    page.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.injected = true";
        document.body.append(script);
        const image = "<img src=x onerror='window.injected = true'>";
        document.body.insertAdjacentHTML("beforeend", image);
    }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.injected") is None
    assert (
        page.evaluate("fetch('https://example.org').then(() => 'sent', () => 'refused')")
        == "refused"
    )
    page.close()


def test_without_scripts_the_page_points_to_the_files(browser, swept):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((swept / "report.html").as_uri())
    expect(page.get_by_text("results.csv and the folder images/ have the same")).to_be_visible()
    context.close()
    page = browser.new_page()
    page.goto((swept / "report.html").as_uri())
    expect(page.locator("#no-script")).to_have_count(0)
    page.close()


@pytest.mark.parametrize("kept", ["failed", "one", "many"])
def test_other_numbers_of_runs_open_too(browser, swept, tmp_path, kept):
    """Sweeps that failed as a whole, have one run, or fill several pages of a table."""
    out = Path(shutil.copytree(swept, tmp_path / "out"))
    failures_first = sorted(latest(out).values(), key=lambda result: result.ok)
    if kept == "many":
        chosen = [
            result._replace(id=f"{number:03}{result.id[3:]}", grid=result.grid | {"seed": number})
            for number in range(20)
            for result in failures_first
        ]
    else:
        chosen = failures_first[:3] if kept == "failed" else failures_first[-1:]
    (out / "results.jsonl").write_bytes(b"".join(map(results.line, chosen)))
    write_report(out)
    page = browser.new_page(viewport=PHONE)
    problems = watch(page, out)
    page.goto((out / "report.html").as_uri())
    assert count(page) == len(chosen)
    expect(page.locator("#faces .cell").first).to_be_attached()
    if kept == "many":
        before = page.locator("#runs tbody tr").count()
        assert before < 300
        page.locator("#runs .more").scroll_into_view_if_needed()
        expect(page.locator("#runs tbody tr")).not_to_have_count(before)
    page.wait_for_timeout(50)
    assert problems == []
    page.close()
