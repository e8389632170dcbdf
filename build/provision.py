"""`.venv` with the pinned packages and the project in it, and the test models in `.models`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

import models
import pins
from checkout import ROOT, VENV, VENV_PYTHON, quietly
from llama import templates, wheel
from steps import Step, digest, ensure

STAMPS = VENV / "stamps"


def everything(pinned: Sequence[models.Model] = models.PINNED) -> None:
    """Makes the checkout ready to run. Takes milliseconds if it already is."""
    ensure(
        [
            Step(STAMPS / "environment", _environment_key, _make_environment),
            Step(STAMPS / "packages", lambda: digest(pins.everyday()), _install_packages),
            _wheel_step(wheel.variant_to_build()),
            Step(STAMPS / "project", lambda: digest([ROOT / "pyproject.toml"]), _install_project),
            *(_model_step(model) for model in pinned),
            *(
                [Step(STAMPS / "templates", templates.state, templates.fetch)]
                if pinned is models.PINNED
                else []
            ),
        ]
    )


def every_processor() -> None:
    """Installs llama.cpp with all CPU variants, and builds those that are missing."""
    ensure([_wheel_step("")])


def _wheel_step(variant: str) -> Step:
    stamp = STAMPS / "llama-cpp-python"
    return Step(stamp, lambda: wheel.key(variant), lambda: wheel.install(variant))


def _environment_key() -> str:
    # A moved checkout, or a removed Python, needs a new environment.
    return str(ROOT) if VENV_PYTHON.exists() else ""


def _make_environment() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    quietly([sys.executable, "-m", "venv", VENV], "Making .venv")


def _install_packages() -> None:
    print("Installing the pinned Python packages …", flush=True)
    pins.install(pins.everyday(), "the pinned packages")


def _install_project() -> None:
    command = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    quietly(pins.pip_command(command), "Installing the project")


def _model_step(model: models.Model) -> Step:
    return Step(STAMPS / model.file, lambda: models.state(model), lambda: models.fetch(model))
