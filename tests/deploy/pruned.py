"""Hide everything that `deploy/prune.py` removes; a pytest plugin, or the first import."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from deploy.prune import PACKAGES

MODULES = {name.replace("-", "_") for name in PACKAGES} | {"numpy.f2py", "numpy.distutils"}


class Missing:
    """Makes imports of pruned modules fail as if they were not installed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        pruned = name.split(".")[0] in MODULES or ".".join(name.split(".")[:2]) in MODULES
        if pruned or (".tests" in name and not name.startswith("tests.")):
            raise ModuleNotFoundError(f"{name} is pruned", name=name)
        return None


sys.meta_path.insert(0, Missing)
