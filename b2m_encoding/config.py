"""Base of all tables of a study file: strict keys, and paths relative to the study."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from b2m_encoding.errors import InputError


class Config(BaseModel):
    """A table of a study file. Unknown keys are errors; values are fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def resolve_path(path: Path, info: ValidationInfo) -> Path:
    """Expand ``~`` and ``${VARIABLE}``; take a relative path from the folder of the study."""
    text = os.path.expanduser(os.path.expandvars(str(path)))
    if "$" in text:
        raise InputError("a path uses an environment variable that is not set", found=str(path))
    folder = (info.context or {}).get("folder", Path.cwd())
    return Path(folder, text)


StudyPath = Annotated[Path, AfterValidator(resolve_path)]
