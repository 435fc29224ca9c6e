"""The documentation site: every page, every public name, the executed tutorial, nothing fetched."""

import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

import facegen_jax as fg

ROOT = Path(__file__).parents[1]
SECONDS = 90.0
"""Most that the tutorial may take on two cores."""


def test_reference_has_every_public_name_once():
    text = (ROOT / "docs/reference.md").read_text()
    assert sorted(re.findall(r"^::: facegen_jax\.(\w+)$", text, re.MULTILINE)) == fg.__all__


def test_tutorial_is_kept_without_outputs():
    notebook = json.loads((ROOT / "docs/tutorial.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 8
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert notebook["metadata"].keys() == {"kernelspec", "language_info"}
    assert "attachments" not in json.dumps(notebook)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = ["-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def tutorial(site) -> list[dict]:
    """The executed cells of the tutorial."""
    notebook = json.loads((ROOT / "out/tutorial.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.long
def test_site_has_every_page_and_name(site):
    for path in [*ROOT.glob("docs/*.md"), *ROOT.glob("experiments/*/*.md")]:
        page = path.relative_to(ROOT).with_suffix(".html").as_posix()
        assert (site / page.replace("README.html", "index.html")).exists(), page
    reference = (site / "docs/reference.html").read_text()
    assert {f"facegen_jax.{name}" for name in fg.__all__} <= set(
        re.findall(r'id="([^"]+)"', reference)
    )
    assert "height width 3" in reference


@pytest.mark.long
def test_pages_fetch_nothing(site):
    for page in site.rglob("*.html"):
        tags = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text())
        assert tags
        for tag in tags:
            assert not re.search(r'(?:src|href|srcset)="(?:https?:)?//', tag), (page, tag)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\W?(?:https?:)?//|@import", sheet.read_text()), sheet


@pytest.mark.long
def test_tutorial_shows_solutions_figures_and_a_table(site, tutorial):
    outputs = [output for cell in tutorial for output in cell["outputs"]]
    assert not [each for each in outputs if each["output_type"] in ("error", "stream")]
    shown = [each["data"] for each in outputs if "data" in each]
    pages = ["".join(data.get("text/html", "")) for data in shown]
    assert len([page for page in pages if 'alt="before"' in page]) == 3
    assert len([page for page in pages if "attribute_gain" in page]) == 1
    assert len([data for data in shown if "image/png" in data]) == 2
    page = (site / "docs/tutorial.html").read_text()
    assert page.count('alt="before"') == 5
    assert page.count('alt="figure"') == 2
    assert "widget" not in page


@pytest.mark.long
def test_tutorial_is_short(tutorial):
    times = [cell["metadata"]["execution"] for cell in tutorial]
    first, last = times[0]["iopub.execute_input"], times[-1]["iopub.status.idle"]
    assert 0 < (datetime.fromisoformat(last) - datetime.fromisoformat(first)).seconds < SECONDS
