"""nipype's options: those that mean something become arguments of the engine, the others get one warning."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple

from .errors import PialWarning, WrongValue, suggestion
from .resources import memory_text

Sections = Dict[str, Dict[str, Any]]

_NOTHING = "nothing is needed in its place"
_CONTENT = "results are known by the content of what they depend on, so nothing is needed in its place"
_ALL_KEPT = "all files of a node stay; `pial clean` removes what is of no use"

_APPLIED = {
    "execution": ("stop_on_first_crash", "crashdump_dir", "plugin", "plugin_args"),
    "logging": ("workflow_level",),
}
_REPLACED = {
    "execution": {
        "create_report": "see `pial graph`, `pial status` and `pial show`",
        "hash_method": _CONTENT,
        "local_hash_check": _CONTENT,
        "stop_on_first_rerun": "`pial plan` and `pial why NODE` tell beforehand what would run again",
        "check_version": "the package asks no server",
        "stop_on_unknown_version": _NOTHING,
        "keep_inputs": _ALL_KEPT,
        "remove_unnecessary_outputs": _ALL_KEPT,
        "remove_node_directories": _ALL_KEPT,
        "keep_unnecessary_outputs": _ALL_KEPT,
        "use_relative_paths": "a working directory can be moved as it is",
        "crashfile_format": "each failure leaves a text and a JSON file",
        "try_hard_link_datasink": "set the input `mode` of the DataSink: hardlink, copy or symlink",
        "parameterize_dirs": "long names of directories are shortened by themselves",
        "write_provenance": "`pial show NODE --json` tells inputs, outputs and what ran",
        "job_finished_timeout": _NOTHING,
        "poll_sleep_duration": "the engine does not poll",
        "single_thread_matlab": "set it where MATLAB is called",
        "matplotlib_backend": "set MPLBACKEND, or `environment` of a node",
        "get_linked_libs": _NOTHING,
        "resource_monitor_frequency": "what steps used is always measured: `pial show NODE`",
    },
    "logging": {
        "utils_level": _NOTHING,
        "interface_level": "`pial log NODE` prints what a node wrote",
        "filemanip_level": _NOTHING,
        "log_to_file": "the run is in the log of the working directory: `pial status`",
        "log_directory": "the log is in the working directory",
        "log_size": _NOTHING,
        "log_rotate": _NOTHING,
    },
    "monitoring": {
        "enabled": "what steps used is always measured: `pial show NODE`",
        "sample_frequency": "what steps used is always measured: `pial show NODE`",
        "summary_file": "`pial show NODE --json` tells what a step used",
        "summary_append": _NOTHING,
    },
    "check": {"interval": "the package asks no server"},
}
_TOLERATED = {
    "maxtasksperchild": _NOTHING,
    "raise_insufficient": "a node that needs more than there is runs alone",
    "scheduler": "the longest way to the end goes first",
    "mp_context": _NOTHING,
    "non_daemon": _NOTHING,
    "status_callback": "run(wait=False).events() tells what happens",
    "log_nodes_cb": "run(wait=False).events() tells what happens",
    "dont_resubmit_completed_jobs": _NOTHING,
    "max_jobs": _NOTHING,
}
_BATCH = (
    "SLURM",
    "SLURMGraph",
    "SGE",
    "SGEGraph",
    "PBS",
    "PBSGraph",
    "LSF",
    "OAR",
    "Condor",
    "CondorDAGMan",
    "IPython",
    "SomaFlow",
)
_LOCAL = ("Linear", "Debug", "MultiProc", "LegacyMultiProc")

_warned: Set[str] = set()


class Configuration:
    """Options for all workflows of this process: `pial.config.set("execution", "plugin", "Linear")`."""

    def __init__(self) -> None:
        self._sections: Sections = {section: {} for section in _REPLACED}

    def get(self, section: str, option: str, default: Any = None) -> Any:
        """What was set, or the default."""
        return self._sections.get(section, {}).get(option, default)

    def set(self, section: str, option: str, value: Any) -> None:
        """Sets an option. One that is not known is refused when a workflow runs."""
        self._sections.setdefault(section, {})[option] = value

    def has_option(self, section: str, option: str) -> bool:
        return option in self._sections.get(section, {})

    def update_config(self, options: Mapping[str, Mapping[str, Any]]) -> None:
        """Sets several: `{"execution": {"stop_on_first_crash": True}}`."""
        for section, values in options.items():
            self._sections.setdefault(section, {}).update(values)

    def set_default_config(self) -> None:
        """Forgets all that was set."""
        self.__init__()  # type: ignore[misc]

    def enable_debug_mode(self) -> None:
        """Stops at the first failure."""
        self.set("execution", "stop_on_first_crash", True)

    def __getitem__(self, section: str) -> Dict[str, Any]:
        return self._sections.setdefault(section, {})

    def __repr__(self) -> str:
        return repr(self._sections)


config = Configuration()


def engine_arguments(
    own: Optional[Sections], plugin: Any, plugin_args: Mapping[str, Any], updatehash: bool, options: Dict[str, Any]
) -> List[str]:
    """Arguments for `pial run`. `options` are those of Workflow.run, from which those that are known are taken out."""
    settings = dict(_settings(own))
    execution = {option: value for (section, option), value in settings.items() if section == "execution"}
    if updatehash:
        warn_once("updatehash", f"updatehash has no meaning here: {_CONTENT}")
    plugin = plugin if plugin is not None else execution.get("plugin")
    arguments = {**(execution.get("plugin_args") or {}), **plugin_args}
    made = _of_plugin(plugin, arguments, options)
    if _is_on(options.pop("fail_fast", execution.get("stop_on_first_crash", False))):
        made.append("--fail-fast")
    if execution.get("crashdump_dir"):
        made += ["--crash-dir", str(execution["crashdump_dir"])]
    for name, stock in (options.pop("resources", None) or {}).items():
        made += ["--resource", f"{name}={stock}"]
    if options.get("grace") is not None:
        made += ["--grace", str(options["grace"])]
    options.pop("grace", None)
    resource_file = options.pop("resource_file", None)
    if resource_file is not None:
        made += ["--resource-file", os.path.abspath(os.fspath(resource_file))]
    memory_policy = options.pop("memory_policy", None)
    if memory_policy is not None:
        made += ["--memory-policy", str(memory_policy)]
    if not options.pop("learn", True):
        made.append("--no-learn")
    if options.pop(
        "quiet", str(settings.get(("logging", "workflow_level"), "")).upper() in ("WARNING", "ERROR", "CRITICAL")
    ):
        made.append("--quiet")
    return made


def tell_of_node(sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Warns of options that were set for one node: none has an effect there."""
    for section, values in sections.items():
        for option in values:
            if option in _APPLIED.get(section, ()):
                warn_once(
                    f"node.{section}.{option}", f"the option {option!r} has no effect at a node; set it at the workflow"
                )
            else:
                _tell(section, option)


def warn_once(option: str, message: str) -> None:
    """Warns, the first time in this process."""
    if option not in _warned:
        _warned.add(option)
        warnings.warn(message, PialWarning, stacklevel=_levels_to_the_caller())


def _levels_to_the_caller() -> int:
    """How far up the first code is that is not of this package."""
    level, frame = 1, sys._getframe(1)  # `warn_once`, from where it is counted
    while frame.f_back is not None and frame.f_globals.get("__package__") == __package__:
        level, frame = level + 1, frame.f_back
    return level


def _settings(own: Optional[Sections]) -> Iterator[Tuple[Tuple[str, str], Any]]:
    for sections in (config._sections, own or {}):
        for section, values in sections.items():
            for option, value in values.items():
                if option in _APPLIED.get(section, ()):
                    yield (section, option), value
                else:
                    _tell(section, option)


def _tell(section: str, option: str) -> None:
    remedy = _REPLACED.get(section, {}).get(option)
    if remedy is None:
        known = [*_APPLIED.get(section, ()), *_REPLACED.get(section, {})]
        remedy = "there is no such option" + suggestion(option, known)
    warn_once(f"{section}.{option}", f"the option {option!r} of [{section}] has no effect: {remedy}")


def _of_plugin(plugin: Any, arguments: Mapping[str, Any], options: Dict[str, Any]) -> List[str]:
    if plugin is not None and not isinstance(plugin, str):
        raise WrongValue(f"plugin is a name, such as 'MultiProc', not {plugin!r}; the engine runs the workflow itself")
    if plugin in _BATCH:
        raise WrongValue(
            f"the plugin {plugin!r} submits to a batch system, which pial does not do yet; "
            "run without it inside of an allocation, whose processors and memory are then used"
        )
    if plugin is not None and plugin not in _LOCAL:
        raise WrongValue(f"there is no plugin {plugin!r}{suggestion(plugin, (*_LOCAL, *_BATCH))}")
    for name in arguments:
        if name not in ("n_procs", "memory_gb", "n_gpu_procs"):
            remedy = _TOLERATED.get(name, "it is not known")
            warn_once(f"plugin_args.{name}", f"{name!r} among plugin_args has no effect: {remedy}")
    processors = options.pop("n_procs", None) or (1 if plugin in ("Linear", "Debug") else arguments.get("n_procs"))
    memory = options.pop("memory_gb", None) or arguments.get("memory_gb")
    graphics = options.pop("gpus", None) if options.get("gpus") is not None else arguments.get("n_gpu_procs")
    made = ["-j", str(processors)] if processors else []
    made += ["--memory", memory_text(memory, "memory_gb")] if memory else []
    return made + (["--gpus", str(graphics)] if graphics is not None else [])


def _is_on(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "1", "on")
