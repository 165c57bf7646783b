"""What the help of wb_command does not say: kinds of values, default output names, our descriptions.

Kinds are "File", "String", "Number", "Integer" or a list of choices. Source: `wb_command -volume-...` help, 1.5.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The version that the committed descriptors were generated from.
VERSION = "1.5.0"


@dataclass(frozen=True)
class Tool:
    """The facts about one command."""

    description: str
    # Default file names of outputs that the command always writes.
    outputs: dict[str, str] = field(default_factory=dict)
    # Kinds of ports, where KINDS does not know better.
    kinds: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    omit: frozenset[str] = frozenset()
    # Options that the command cannot do without.
    required: frozenset[str] = frozenset()
    # `-option <name> <file>` that becomes a port for each of these letters.
    letters: dict[str, str] = field(default_factory=dict)
    groups: tuple[dict[str, Any], ...] = ()
    # The id of the text on standard output, where that is a result.
    printed: str | None = None


REDUCTIONS = [
    "MAX", "MIN", "INDEXMAX", "INDEXMIN", "SUM", "PRODUCT", "MEAN", "STDEV", "SAMPSTDEV",
    "VARIANCE", "TSNR", "COV", "L2NORM", "MEDIAN", "MODE", "COUNT_NONZERO",
]  # fmt: skip

# What a value of this name is, in every command.
KINDS: dict[str, Any] = {
    "volume": "File",
    "volume-in": "File",
    "volume-space": "File",
    "volume-ref": "File",
    "roi-volume": "File",
    "roivol": "File",
    "weight-volume": "File",
    "source-volume": "File",
    "target-volume": "File",
    "data-volume": "File",
    "label-volume": "File",
    "label-in": "File",
    "label-maps": "File",
    "label-list-file": "File",
    "affine": "File",
    "affine-series": "File",
    "warpfield": "File",
    "input": "File",
    "subvol": "String",
    "subvolume": "String",
    "map": "String",
    "expression": "String",
    "label-name": "String",
    "axis-order": "String",
    "label-key": "Integer",
    "startval": "Integer",
    "value": "Number",
    "replace": "Number",
    "kernel": "Number",
    "distance": "Number",
    "exponent": "Number",
    "percent": "Number",
    "ratio": "Number",
    "low": "Number",
    "high": "Number",
    "value-threshold": "Number",
    "minimum-volume": "Number",
    "sigma-below": "Number",
    "sigma-above": "Number",
    "E": "Number",
    "H": "Number",
    "operation": REDUCTIONS,
}

# Descriptions of ports that mean the same in every command.
NOTES = {
    "volume": "The volume.",
    "volume_in": "The volume.",
    "volume_out": "Name of the volume to write.",
    "kernel": "Width of the Gaussian (mm), as standard deviation unless fwhm is set.",
    "fwhm": "The width is a full width at half maximum.",
    "presmooth": "Smooth first, with a Gaussian of this standard deviation (mm).",
    "presmooth_fwhm": "The width is a full width at half maximum.",
    "roi": "Volume whose positive voxels are the region to use.",
    "subvolume": "Use only this subvolume: its number from 1, or its name.",
    "distance": "Distance (mm).",
    "fix_zeros": "Zero means that there are no data.",
    "percentile": "The percentile to find (0 to 100).",
    "show_map_name": "Print number and name before each value.",
    "roi_match_maps": "Each subvolume has its own subvolume of the region.",
}

TOOLS: dict[str, Tool] = {
    "volume-math": Tool(
        "Evaluates a formula voxel by voxel, with volumes as variables a to f.",
        outputs={"volume_out": "result.nii.gz"},
        letters={"var": "abcdef"},
        notes={
            "expression": "The formula, such as (a - b) * (c > 0).",
            "fixnan": "Number to put where the result is not one.",
            **{letter: f"The volume called {letter} in the formula." for letter in "abcdef"},
        },
        groups=({"id": "variables", "name": "Variables", "members": list("abcdef"), "one-is-required": True},),
    ),
    "volume-smoothing": Tool(
        "Smooths a volume with a Gaussian.",
        outputs={"volume_out": "smoothed.nii.gz"},
    ),
    "volume-parcel-smoothing": Tool(
        "Smooths a volume within each label of a label volume by itself.",
        outputs={"volume_out": "smoothed.nii.gz"},
        notes={"label_volume": "The labels."},
    ),
    "volume-resample": Tool(
        "Resamples a volume in the space of another, through transforms if given.",
        outputs={"volume_out": "resampled.nii.gz"},
        kinds={"method": ["CUBIC", "ENCLOSING_VOXEL", "TRILINEAR"]},
        notes={
            "volume_space": "Volume whose grid the output takes.",
            "method": "Interpolation; ENCLOSING_VOXEL for labels.",
            "affine": "Affine transforms, in this order (world coordinates, not FLIRT's).",
            "warp": "Warps, in this order, behind the affine ones.",
        },
        omit=frozenset({"affine_series"}),
    ),
    "volume-reduce": Tool(
        "Reduces the subvolumes of a volume to one, voxel by voxel.",
        outputs={"volume_out": "reduced.nii.gz"},
        notes={"operation": "How to reduce.", "only_numeric": "Leave out what is not a number."},
    ),
    "volume-stats": Tool(
        "Prints one number for each subvolume: a statistic or a percentile.",
        notes={"reduce": "The statistic."},
        groups=(
            {
                "id": "what",
                "name": "What to print",
                "members": ["reduce", "percentile"],
                "mutually-exclusive": True,
                "one-is-required": True,
            },
        ),
        printed="statistics",
    ),
    "volume-weighted-stats": Tool(
        "Prints one weighted number for each subvolume.",
        notes={"weight_volume": "The weights; each voxel's volume if not given."},
        groups=(
            {
                "id": "what",
                "name": "What to print",
                "members": ["mean", "stdev", "percentile", "sum"],
                "mutually-exclusive": True,
                "one-is-required": True,
            },
        ),
        printed="statistics",
    ),
    "volume-dilate": Tool(
        "Fills voxels without data from their neighbours.",
        outputs={"volume_out": "dilated.nii.gz"},
        kinds={"method": ["NEAREST", "WEIGHTED"]},
        notes={
            "method": "Take the nearest voxel, or a mean weighted by distance.",
            "bad_voxel_roi": "Volume whose positive voxels are to be filled; the zero ones if not given.",
            "data_roi": "Volume whose positive voxels have data.",
        },
    ),
    "volume-erode": Tool(
        "Sets voxels near zero voxels to zero.",
        outputs={"volume_out": "eroded.nii.gz"},
    ),
    "volume-merge": Tool(
        "Joins the subvolumes of several volumes in one file.",
        outputs={"volume_out": "merged.nii.gz"},
        notes={"volume": "The volumes, in this order; all subvolumes of each."},
        required=frozenset({"volume"}),
    ),
    "volume-gradient": Tool(
        "Computes the magnitude of the gradient of a volume, and the vectors if wanted.",
        outputs={"volume_out": "gradient.nii.gz"},
        notes={"vectors": "File to write the gradient vectors to."},
    ),
    "volume-fill-holes": Tool(
        "Fills holes in a region of interest.",
        outputs={"volume_out": "filled.nii.gz"},
    ),
    "volume-remove-islands": Tool(
        "Keeps only the largest connected part of a region of interest.",
        outputs={"volume_out": "largest.nii.gz"},
    ),
    "volume-find-clusters": Tool(
        "Numbers the connected clusters of voxels above a threshold.",
        outputs={"volume_out": "clusters.nii.gz"},
        notes={"value_threshold": "The threshold.", "minimum_volume": "Smallest cluster to keep (mm3)."},
    ),
    "volume-estimate-fwhm": Tool(
        "Prints an estimate of the smoothness of a volume (mm).",
        printed="fwhm",
    ),
    "volume-extrema": Tool(
        "Marks local maxima with 1 and minima with -1.",
        outputs={"volume_out": "extrema.nii.gz"},
    ),
    "volume-tfce": Tool(
        "Applies threshold-free cluster enhancement.",
        outputs={"volume_out": "tfce.nii.gz"},
    ),
    "volume-label-import": Tool(
        "Makes a label volume from whole numbers and a list of their names and colours.",
        outputs={"output": "labels.nii.gz"},
        notes={
            "input": "Volume of whole numbers.",
            "label_list_file": "For each label a line with its name and one with number, red, green, blue, alpha.",
        },
    ),
    "volume-label-export-table": Tool(
        "Writes the names and colours of a label volume as text.",
        outputs={"table_out": "labels.txt"},
    ),
    "volume-label-to-roi": Tool(
        "Makes a region of interest from one label.",
        outputs={"volume_out": "roi.nii.gz"},
        notes={"name": "Name of the label.", "key": "Number of the label."},
        groups=(
            {
                "id": "label",
                "name": "Label",
                "members": ["name", "key"],
                "mutually-exclusive": True,
                "one-is-required": True,
            },
        ),
    ),
    "volume-all-labels-to-rois": Tool(
        "Makes a region of interest from each label, as subvolumes.",
        outputs={"volume_out": "rois.nii.gz"},
        notes={"map": "The label map to use: its number from 1, or its name."},
    ),
    "volume-set-space": Tool(
        "Copies a volume with another position in space; voxels keep their order.",
        outputs={"volume_out": "moved.nii.gz"},
        notes={"file": "Volume whose position to take."},
        omit=frozenset({"plumb", "sform"}),
        required=frozenset({"file"}),
    ),
}
