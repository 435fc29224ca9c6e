"""Pages of the documentation site: this repository's Markdown at its own paths, and the tutorial.

MkDocs calls `on_files` and `on_page_markdown`. Files keep their paths, so that their links work in
the repository and on the site. The tutorial is executed, and shown with what it displays.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
SHOWN = ("*.md", "docs/*.md", "docs/*.png", "weights/*.md", "weights/*.png", "experiments/*/*.md")
NOTEBOOK = ROOT / "docs/tutorial.ipynb"
EXECUTED = ROOT / "out/tutorial.ipynb"
"""The executed tutorial, kept until it or the package changes."""
TUTORIAL, REFERENCE = "docs/tutorial.md", "docs/reference.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of `docs` by those of the repository, and lay out the navigation."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    paths = [path for pattern in SHOWN for path in sorted(ROOT.glob(pattern))]
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    for name, path in zip(names, paths, strict=True):
        files.append(File.generated(config, name, abs_src_path=str(path)))
    files.append(File.generated(config, TUTORIAL, content=markdown(executed())))
    guides = [name for name in names if name.startswith("docs/") and name.endswith(".md")]
    config.nav = [
        {"Overview": "README.md"},
        {"Tutorial": TUTORIAL},
        {"Guides": [name for name in guides if name != REFERENCE]},
        {"Python": REFERENCE},
        {"The network that ships": "weights/README.md"},
        {"Measurements": [name for name in names if name.startswith("experiments/")]},
        {"Changes": "CHANGELOG.md"},
    ]
    return files


def on_page_markdown(text: str, **_: object) -> str:
    """Let links to the notebook lead to its page."""
    return text.replace("tutorial.ipynb)", "tutorial.md)")


def executed() -> NotebookNode:
    """Return the tutorial with its outputs; execute it in a folder of its own if that is stale."""
    sources = [NOTEBOOK, *ROOT.glob("facegen_jax/**/*.py")]
    newest = max(path.stat().st_mtime for path in sources)
    if EXECUTED.exists() and EXECUTED.stat().st_mtime > newest:
        return nbformat.read(EXECUTED, as_version=4)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        options = {"timeout": 600, "startup_timeout": 600}
        NotebookClient(notebook, resources={"metadata": {"path": folder}}, **options).execute()
    EXECUTED.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, EXECUTED)
    return notebook


def markdown(notebook: NotebookNode) -> str:
    """Return a notebook as Markdown, with its outputs."""
    return "\n\n".join(part for cell in notebook.cells for part in _parts(cell))


def _parts(cell: NotebookNode) -> Iterator[str]:
    if cell.cell_type != "code":
        yield cell.source
        return
    yield f"```python\n{cell.source}\n```"
    for output in cell.outputs:
        if output.output_type == "stream":
            yield f"```text\n{output.text.rstrip()}\n```"
        elif "data" in output:
            yield from _shown(output.data)


def _shown(data: NotebookNode) -> Iterator[str]:
    """Yield the richest form of an output that a page can show; progress bars are left out."""
    if "application/vnd.jupyter.widget-view+json" in data:
        return
    if "text/html" in data:
        # A blank line would end the block of HTML.
        lines = [line for line in data["text/html"].splitlines() if line.strip()]
        yield "\n".join(["<div>", *lines, "</div>"])
    elif "image/png" in data:
        source = data["image/png"].replace("\n", "")
        yield f'<p><img alt="figure" src="data:image/png;base64,{source}"></p>'
    else:
        yield f"```text\n{data['text/plain']}\n```"
