"""What contestants are called on the page, and in which colour they are drawn; knows no figures."""

WAYS = {
    "fork_exec": ("os.fork and exec", 5),
    "popen_preexec": ("subprocess with preexec_fn", 5),
    "popen_37": ("subprocess of Python 3.7", 5),
    "popen": ("subprocess, today's (vfork)", 5),
    "posix_spawn": ("os.posix_spawn", 5),
    "pool_fork": ("multiprocessing, fork", 7),
    "executor": ("concurrent.futures, as delivered", 7),
    "pool_forkserver": ("multiprocessing, forkserver", 7),
    "pool_spawn": ("multiprocessing, spawn", 7),
    "nipype_linear": ("nipype Linear", 1),
    "nipype_fork": ("nipype MultiProc, fork", 1),
    "nipype_legacy": ("nipype LegacyMultiProc", 1),
    "nipype_forkserver": ("nipype MultiProc, forkserver", 1),
    "pydra": ("pydra, cf worker", 4),
    "dask": ("dask LocalCluster", 3),
    "nipype_on_pial": ("nipype's nodes on pial", 6),
    "pial_python": ("pial, from Python", 0),
    "pial_run": ("pial run", 0),
}
GRAPHS = {
    "pial": ("pial run", 0),
    "pial_python": ("pial, from Python", 6),
    "nipype_linear": ("nipype Linear", 1),
    "nipype_multiproc": ("nipype MultiProc", 2),
    "pydra": ("pydra", 4),
    "dask": ("dask", 3),
    "snakemake": ("snakemake", 5),
}
TOOLS = {
    "pial_thin": ("pial, imports in steps", 5),
    "pial_python": ("pial, from Python", 0),
    "nipype_on_pial": ("nipype's nodes on pial", 6),
    "nipype_fork": ("nipype MultiProc, fork", 1),
    "nipype_forkserver": ("nipype, forkserver", 2),
    "pydra": ("pydra", 4),
    "dask": ("dask", 3),
}
IMPORTS = {"nothing": "nothing", "numpy": "numpy", "pipeline": "nipype, nilearn, pandas"}
