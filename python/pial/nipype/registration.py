"""Makes nipype find the plugin by its name, without touching nipype's files."""

from __future__ import annotations

# What programs ask for when they want this machine's processors: pial is another way to give them.
PARALLEL_HERE = ("MultiProc", "LegacyMultiProc")


def install(default: bool) -> None:
    """Put `PialPlugin` where nipype looks names up; with `default`, make it nipype's default plugin."""
    import nipype.pipeline.plugins as plugins
    from nipype import config

    from .plugin import PialPlugin

    plugins.PialPlugin = PialPlugin
    if default:
        config.set("execution", "plugin", "Pial")


def replace_parallel() -> None:
    """Give pial to programs that ask nipype for one of its own parallel plugins on this machine."""
    import nipype.pipeline.plugins as plugins

    from .plugin import PialPlugin

    install(default=True)
    for name in PARALLEL_HERE:
        setattr(plugins, f"{name}Plugin", PialPlugin)
