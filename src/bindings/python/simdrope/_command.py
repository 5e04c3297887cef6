"""The simdrope command that comes with the package."""
from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Union

from ._rope import Rope
from ._types import Config


def path() -> Path:
    """Where the command is: as this package's installation lists it, or on PATH."""
    name = "simdrope.exe" if os.name == "nt" else "simdrope"
    try:
        for file in importlib.metadata.files("simdrope") or ():
            if file.name == name and Path(file.locate()).is_file():
                return Path(file.locate()).resolve()
    except importlib.metadata.PackageNotFoundError:
        pass  # not installed: a build folder on PYTHONPATH
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError("the simdrope command is neither installed with this package nor on PATH")
    return Path(found)


class Picture(str):
    """An SVG picture, as text; notebooks show it."""

    def _repr_svg_(self) -> str:
        return self


def plot(rope: Union[Rope, Config]) -> Picture:
    """The wavelengths of a Rope's pairs, as an SVG picture (`simdrope freqs --plot`)."""
    config = rope if isinstance(rope, Config) else rope.config
    if config is None:
        raise ValueError("a Rope of Rope.shift or Rope.rerotation has no Config to plot")
    with tempfile.TemporaryDirectory() as folder:
        source, picture = Path(folder) / "config.json", Path(folder) / "picture.svg"
        source.write_text(config.to_hf_config(), encoding="utf-8")
        run = subprocess.run([str(path()), "freqs", "--config", str(source), "--plot", str(picture)], text=True,
                             capture_output=True)
        if run.returncode != 0:
            raise ValueError(run.stderr.strip())
        return Picture(picture.read_text(encoding="utf-8"))
