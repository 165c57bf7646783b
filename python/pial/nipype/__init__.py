"""Runs unmodified nipype workflows on pial's engine; each name is loaded when it is first used.

    wf.run(plugin=pial.nipype.PialPlugin(plugin_args={"n_procs": 8}))
    pial.nipype.install(); wf.run(plugin="Pial")
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .plugin import PialPlugin as PialPlugin

__all__ = ["PialPlugin", "install"]


def install(default: bool = False) -> None:
    """Make the plugin name "Pial" known to nipype; with `default` also what nipype runs when no plugin is named."""
    from .registration import install as register

    register(default)


def __getattr__(name: str) -> object:
    if name == "PialPlugin":
        from .plugin import PialPlugin

        return PialPlugin
    raise AttributeError(f"module 'pial.nipype' has no attribute {name!r}")
