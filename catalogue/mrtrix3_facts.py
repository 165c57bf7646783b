"""What MRtrix3 commands do not say of themselves: default output names, kinds left open, our descriptions.

A kind is one of MRtrix's own words: IMAGEIN, IMAGEOUT, FILEIN, FILEOUT, TRACKSIN, TRACKSOUT, INT, FLOAT,
ISEQ and FSEQ (comma-separated numbers), CHOICE, TEXT; or BOOL.
Sources: the commands' help pages and https://mrtrix.readthedocs.io/en/3.0.3/.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The version that the committed descriptors were generated from.
VERSION = "3.0.3"

# Options of every command that change no result (or none that a workflow wants): left out everywhere.
EVERYWHERE = {"info", "quiet", "debug", "force", "config", "help", "version", "nocleanup", "scratch", "continue"}


@dataclass(frozen=True)
class Tool:
    """The facts about one command."""

    # One sentence for people.
    description: str
    # The executable, if the descriptor's name is another; algorithms of a script, the first being the default.
    command: str | None = None
    algorithms: tuple[str, ...] = ()
    # Replaces the positional arguments: (id, kind, details, optional, multiple), as in generate_mrtrix3.Argument.
    positional: tuple[tuple[Any, ...], ...] = ()
    # Default file names of outputs that the command always writes.
    outputs: dict[str, str] = field(default_factory=dict)
    # Kinds of ports: of values that scripts leave open, or better ones than the command prints.
    kinds: dict[str, str] = field(default_factory=dict)
    # Descriptions of ports.
    notes: dict[str, str] = field(default_factory=dict)
    # Boutiques keys that win over all others.
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Options left out, or the only ones kept.
    omit: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    # Options that may be given often, of which one is enough for a workflow.
    once: frozenset[str] = frozenset()
    groups: tuple[dict[str, Any], ...] = ()
    # The id of the text on standard output, where that is a result.
    printed: str | None = None
    resources: dict[str, float] = field(default_factory=dict)


# Descriptions of ports that mean the same in every command.
NOTES = {
    "nthreads": "Number of threads; 0 turns multi-threading off.",
    "grad": "Gradient table in MRtrix format: one row x y z b for each volume.",
    "fslgrad": "Gradient table in FSL format: the bvec file, then the bval file.",
    "mask": "Only voxels in this mask are processed.",
    "datatype": "Data type of the output image.",
    "strides": "Memory layout of the output image: comma-separated strides, or an image to copy them from.",
    "template": "Image whose voxel grid the output takes.",
    "interp": "Interpolation.",
    "shells": "b-values of the shells to use (s/mm2).",
    "axes": "Axes to work along, counted from 0.",
    "bvalue_scaling": "Whether b-values are scaled by the squared length of their gradient vectors.",
    "export_grad_mrtrix": "File to write the gradient table to, in MRtrix format.",
    "export_grad_fsl_bvecs": "File to write the gradient directions to, in FSL format.",
    "export_grad_fsl_bvals": "File to write the b-values to, in FSL format.",
    "import_pe_table": "Phase-encoding table to put in the header.",
    "import_pe_eddy": "Phase encoding as for FSL eddy: the parameter file, then the index file.",
    "export_pe_table": "File to write the phase-encoding table to.",
    "noise": "File to write the estimated noise level to.",
    "predicted_signal": "File to write the signal predicted by the fitted model to.",
    "directions": "Directions file used for the transform to and from the sphere.",
    "lmax": "Maximum harmonic order.",
}

TOOLS: dict[str, Tool] = {
    "mrconvert": Tool(
        "Converts an image to another format, and takes parts of it, reorders its axes or edits its header.",
        outputs={"output": "converted.mif"},
        kinds={"bvalue_scaling": "BOOL", "copy_properties": "FILEIN", "coord_selection": "TEXT"},
        notes={
            "input": "Image, or directory of DICOM files.",
            "output": "Name of the converted image; its ending chooses the format.",
            "coord_axis": "Axis along which to select, counted from 0 (3 selects volumes).",
            "coord_selection": "What to keep along coord_axis, such as 0, 2:5 or 0:2:end.",
            "vox": "Voxel size to state in the header (mm); nothing is resampled.",
            "scaling": "Offset and scale to state in the header.",
            "json_import": "JSON file of header entries to add.",
            "json_export": "File to write the header entries to.",
            "clear_property": "Header entries to remove.",
            "copy_properties": "Image or JSON file whose header entries replace those of the input.",
        },
        omit=frozenset({"set_property", "append_property"}),
    ),
    "mrinfo": Tool(
        "Prints what the header of an image says.",
        kinds={"bvalue_scaling": "BOOL"},
        notes={
            "image": "One or more images.",
            "property": "Header entries to print.",
            "json_keyval": "File to write the header entries to.",
            "json_all": "File to write the whole header to.",
            "size": "Print only the number of voxels along each axis.",
            "spacing": "Print only the voxel size (mm).",
            "dwgrad": "Print the gradient table.",
        },
        omit=frozenset({"nodelete"}),
        printed="information",
    ),
    "mrstats": Tool(
        "Prints statistics of the intensities of an image.",
        notes={
            "image": "The image.",
            "output": "The statistics to print, in this order; all of them in a table if not given.",
            "ignorezero": "Leave voxels out that are zero.",
            "allvolumes": "Treat a series as one set of values.",
        },
        printed="statistics",
    ),
    "mrmath": Tool(
        "Computes a statistic voxel by voxel over several images, or along one axis of a single image.",
        outputs={"output": "result.mif"},
        notes={
            "input": "The images; a single one together with axis.",
            "operation": "The statistic.",
            "axis": "Axis of a single image to work along (3: over volumes).",
        },
    ),
    "mrcalc": Tool(
        "Computes with images voxel by voxel, in reverse Polish notation: all images, then operations.",
        positional=(
            ("images", "IMAGEIN", (), False, True),
            ("operations", "TEXT", (), False, True),
            ("output", "IMAGEOUT"),
        ),
        outputs={"output": "result.mif"},
        notes={
            "images": "The images, put on the stack in this order.",
            "operations": 'Operations and numbers that follow, such as ["-subtract", "-abs"] or ["2", "-pow"].',
        },
        only=frozenset({"datatype"}),
    ),
    "mrgrid": Tool(
        "Changes the voxel grid of an image: regrids, crops or pads it.",
        outputs={"output": "regridded.mif"},
        notes={
            "input": "The image.",
            "operation": "regrid changes the voxel size; crop and pad change the extent.",
            "size": "Number of voxels along each axis after regrid.",
            "voxel": "Voxel size after regrid (mm): one number, or one for each axis.",
            "scale": "Factor on the number of voxels in regrid: one number, or one for each axis.",
            "axis_index": "Axis to crop or pad, counted from 0.",
            "axis_spec": "How much, as lower,upper voxels or start:end.",
            "uniform": "Number of voxels to crop or pad at every side.",
            "fill": "Value outside the input.",
        },
    ),
    "mrthreshold": Tool(
        "Makes a mask from an image by a threshold, which it finds by itself unless told.",
        outputs={"output": "mask.mif"},
        notes={
            "abs": "The threshold.",
            "percentile": "The threshold as a percentile of the intensities.",
            "top": "Keep this many of the highest voxels.",
            "bottom": "Keep this many of the lowest voxels.",
            "out_masked": "Keep the intensities inside the mask.",
        },
        groups=(
            {
                "id": "ways_to_choose",
                "name": "Ways to choose the threshold",
                "members": ["abs", "percentile", "top", "bottom"],
                "mutually-exclusive": True,
            },
        ),
    ),
    "maskfilter": Tool(
        "Cleans, dilates, erodes or smooths a mask, or keeps its largest connected part.",
        outputs={"output": "mask_filtered.mif"},
        notes={
            "filter": "What to do.",
            "npass": "How often to do it.",
            "largest": "With connect: keep only the largest part.",
        },
    ),
    "mrfilter": Tool(
        "Smooths or filters an image: Gaussian, median, gradient, Fourier, intensity normalisation.",
        outputs={"output": "filtered.mif"},
        notes={
            "filter": "The filter.",
            "stdev": "Width of the Gaussian as standard deviation (mm).",
            "fwhm": "Width of the Gaussian as full width at half maximum (mm).",
            "extent": "Size of the kernel (voxels).",
            "maskin": "Mask that zclean starts from.",
            "maskout": "File to write the mask found by zclean to.",
        },
    ),
    "mrcat": Tool(
        "Puts images one after another along an axis.",
        positional=(("input", "IMAGEIN", (), False, True), ("output", "IMAGEOUT")),
        outputs={"output": "concatenated.mif"},
        changes={"input": {"min-list-entries": 2}},
        notes={"input": "Two or more images.", "axis": "Axis to join along; the first that differs if not given."},
    ),
    "dwiextract": Tool(
        "Takes volumes out of a diffusion series: the b=0 ones, the others, or single shells.",
        outputs={"output": "dwi_extracted.mif"},
        notes={
            "bzero": "The b=0 volumes.",
            "no_bzero": "All but the b=0 volumes.",
            "singleshell": "Only one shell, and b=0.",
        },
    ),
    "dwidenoise": Tool(
        "Removes noise from a diffusion series by Marchenko-Pastur PCA; must be the first step of a chain.",
        outputs={"out": "dwi_denoised.mif"},
        notes={
            "dwi": "The raw diffusion series.",
            "extent": "Size of the patch (voxels, odd); no larger than the image.",
        },
        resources={"cpu-cores": 2, "ram": 2},
    ),
    "mrdegibbs": Tool(
        "Removes Gibbs ringing by local subvoxel shifts.",
        outputs={"out": "degibbs.mif"},
        notes={"in_file": "The image, not yet interpolated.", "axes": "The two axes of a slice."},
    ),
    "dwi2mask": Tool(
        "Makes a brain mask from a diffusion series.",
        outputs={"output": "mask.mif"},
        notes={
            "input": "Diffusion series with its gradient table.",
            "clean_scale": "Width of the bridges to cut (voxels); 0 turns it off.",
        },
    ),
    "dwi2tensor": Tool(
        "Fits the diffusion tensor, and the kurtosis tensor if wanted.",
        outputs={"dt": "dt.mif"},
        notes={
            "dwi": "Diffusion series with its gradient table.",
            "ols": "Ordinary instead of weighted least squares at first.",
            "iter": "Number of reweighted fits.",
            "b0": "File to write the estimated b=0 image to.",
            "dkt": "File to write the kurtosis tensor to.",
        },
    ),
    "tensor2metric": Tool(
        "Computes maps from the diffusion tensor; give a file name for each map wanted.",
        notes={
            "tensor": "The tensor image.",
            "fa": "File to write fractional anisotropy to.",
            "adc": "File to write mean diffusivity to.",
            "ad": "File to write axial diffusivity to.",
            "rd": "File to write radial diffusivity to.",
            "value": "File to write eigenvalues to.",
            "vector": "File to write eigenvectors to.",
            "num": "Which eigenvalues and eigenvectors, 1 being the largest.",
        },
        groups=(
            {
                "id": "maps",
                "name": "Maps",
                "members": ["adc", "fa", "ad", "rd", "cl", "cp", "cs", "value", "vector"],
                "one-is-required": True,
            },
        ),
    ),
    "dwi2response": Tool(
        "Estimates the response function of single-fibre white matter.",
        algorithms=("tournier", "fa", "tax"),
        outputs={"output": "response.txt"},
        kinds={
            "input": "IMAGEIN",
            "output": "FILEOUT",
            "mask": "IMAGEIN",
            "voxels": "IMAGEOUT",
            "grad": "FILEIN",
            "fslgrad": "FILEIN",
            "shells": "FSEQ",
            "lmax": "ISEQ",
            "number": "INT",
            "iter_voxels": "INT",
            "dilate": "INT",
            "max_iters": "INT",
            "erode": "INT",
            "threshold": "FLOAT",
            "peak_ratio": "FLOAT",
            "convergence": "FLOAT",
            "nthreads": "INT",
        },
        notes={
            "algorithm": "How single-fibre voxels are found.",
            "input": "Diffusion series with its gradient table.",
            "voxels": "File to write the chosen voxels to.",
        },
    ),
    "dwi2response-dhollander": Tool(
        "Estimates response functions of white matter, grey matter and cerebrospinal fluid.",
        command="dwi2response",
        algorithms=("dhollander",),
        outputs={"out_sfwm": "response_wm.txt", "out_gm": "response_gm.txt", "out_csf": "response_csf.txt"},
        kinds={
            "input": "IMAGEIN",
            "out_sfwm": "FILEOUT",
            "out_gm": "FILEOUT",
            "out_csf": "FILEOUT",
            "mask": "IMAGEIN",
            "voxels": "IMAGEOUT",
            "grad": "FILEIN",
            "fslgrad": "FILEIN",
            "shells": "FSEQ",
            "lmax": "ISEQ",
            "erode": "INT",
            "fa": "FLOAT",
            "sfwm": "FLOAT",
            "gm": "FLOAT",
            "csf": "FLOAT",
            "nthreads": "INT",
        },
        notes={"input": "Diffusion series with its gradient table.", "voxels": "File to write the chosen voxels to."},
        changes={"wm_algo": {"value-choices": ["fa", "tax", "tournier"]}},
    ),
    "dwi2fod": Tool(
        "Estimates fibre orientation distributions by spherical deconvolution, for one tissue or several.",
        positional=(
            ("algorithm", "CHOICE", ("csd", "msmt_csd")),
            ("dwi", "IMAGEIN"),
            ("wm_response", "FILEIN"),
            ("wm_odf", "IMAGEOUT"),
            ("gm_response", "FILEIN", (), True),
            ("gm_odf", "IMAGEOUT", (), True),
            ("csf_response", "FILEIN", (), True),
            ("csf_odf", "IMAGEOUT", (), True),
        ),
        outputs={"wm_odf": "wm_fod.mif"},
        notes={
            "algorithm": "csd takes one tissue, msmt_csd up to three.",
            "dwi": "Diffusion series with its gradient table.",
            "wm_response": "Response function of white matter.",
            "gm_odf": "File to write the grey matter component to.",
            "csf_odf": "File to write the cerebrospinal fluid component to.",
        },
        groups=(
            {"id": "grey_matter", "name": "Grey matter", "members": ["gm_response", "gm_odf"], "all-or-none": True},
            {"id": "fluid", "name": "Cerebrospinal fluid", "members": ["csf_response", "csf_odf"], "all-or-none": True},
        ),
        resources={"cpu-cores": 2, "ram": 2},
    ),
    "tckgen": Tool(
        "Generates streamlines from fibre orientations or from a diffusion series.",
        outputs={"tracks": "tracks.tck"},
        kinds={"include": "FILEIN", "include_ordered": "FILEIN", "exclude": "FILEIN", "mask": "FILEIN"},
        notes={
            "source": "What the algorithm needs: fibre orientations for iFOD2, a diffusion series for tensor methods.",
            "algorithm": "The tracking algorithm.",
            "select": "Number of streamlines to keep.",
            "seeds": "Number of seeds to try; 0 for no limit.",
            "seed_image": "Masks to seed in at random.",
            "seed_sphere": "Spheres to seed in, each as x,y,z,radius (mm).",
            "include": "Masks that a streamline must pass.",
            "exclude": "Masks that a streamline must not enter.",
            "mask": "Masks that streamlines are cut at.",
            "output_seeds": "File to write the successful seeds to.",
            "minlength": "Minimum length (mm).",
            "maxlength": "Maximum length (mm).",
            "act": "Five-tissue-type image for anatomically constrained tracking.",
        },
        groups=(
            {
                "id": "ways_to_seed",
                "name": "Ways to seed",
                "members": [
                    "seed_image",
                    "seed_sphere",
                    "seed_random_per_voxel_image",
                    "seed_grid_per_voxel_image",
                    "seed_rejection",
                    "seed_gmwmi",
                    "seed_dynamic",
                ],
                "one-is-required": True,
            },
        ),
        resources={"cpu-cores": 2},
    ),
    "tckinfo": Tool(
        "Prints what the header of a streamlines file says.",
        notes={
            "tracks": "One or more streamlines files.",
            "count": "Count the streamlines instead of trusting the header.",
        },
        printed="information",
    ),
    "tckmap": Tool(
        "Makes an image of streamlines: their density, or a property of them.",
        outputs={"output": "track_density.mif"},
        kinds={"dixel": "FILEIN"},
        notes={
            "tracks": "The streamlines.",
            "vox": "Voxel size of the output (mm).",
            "contrast": "What a voxel tells.",
        },
    ),
    "mrregister": Tool(
        "Registers one image to another: rigid, affine, nonlinear, or one after another.",
        positional=(("image1", "IMAGEIN"), ("image2", "IMAGEIN")),
        kinds={"init_rotation_search_angles": "FSEQ"},
        notes={
            "image1": "The moving image.",
            "image2": "The image to register to.",
            "type": "The stages to run; affine_nonlinear if not given.",
            "transformed": "File to write image1 to, in the space of image2.",
            "rigid": "File to write the rigid transform to.",
            "affine": "File to write the affine transform to.",
            "nl_warp_warp1": "File to write the warp from image1 to image2 to.",
            "nl_warp_warp2": "File to write the warp from image2 to image1 to.",
            "mask1": "Mask of image1.",
            "mask2": "Mask of image2.",
        },
        once=frozenset({"transformed"}),
        omit=frozenset({"diagnostics_image", "linstage_diagnostics_prefix"}),
        resources={"cpu-cores": 2, "ram": 2},
    ),
    "mrtransform": Tool(
        "Applies a linear transform or a warp to an image, or resamples it on the grid of another.",
        outputs={"output": "transformed.mif"},
        kinds={"reorient_fod": "BOOL"},
        notes={
            "input": "The image.",
            "linear": "Text file of a 4x4 transform (mm).",
            "inverse": "Apply the inverse of linear.",
            "warp": "Deformation field.",
            "flip": "Axes to flip, counted from 0.",
        },
    ),
    "mrmetric": Tool(
        "Prints how much two images differ: squared differences or cross-correlation.",
        notes={
            "image1": "The first image.",
            "image2": "The second image.",
            "metric": "diff: squared differences; cc: cross-correlation, in the average space only.",
            "space": "Where the images are compared.",
        },
        printed="cost",
    ),
    "mrhistmatch": Tool(
        "Matches the intensities of an image to those of another.",
        outputs={"output": "matched.mif"},
        notes={"type": "How to match.", "target": "The image whose histogram to match."},
    ),
    "mrhistogram": Tool(
        "Writes a histogram of the intensities of an image.",
        outputs={"hist": "histogram.csv"},
        notes={"template": "Histogram whose bins to use.", "bins": "Number of bins."},
    ),
    "mrcentroid": Tool(
        "Prints the centre of mass of an image (mm).",
        notes={"voxelspace": "Print it in voxels."},
        printed="centroid",
    ),
    "labelconvert": Tool(
        "Renumbers a parcellation from one lookup table to another.",
        outputs={"image_out": "nodes.mif"},
        notes={"lut_in": "Lookup table of the parcellation.", "lut_out": "Lookup table wanted."},
    ),
    "dwi2adc": Tool(
        "Fits the apparent diffusion coefficient: an image of two volumes, b=0 signal and coefficient.",
        outputs={"output": "adc.mif"},
        notes={"input": "Diffusion series with its gradient table."},
    ),
    "mtnormalise": Tool(
        "Normalises the intensities of the tissue components of multi-tissue deconvolution.",
        positional=(
            ("wm", "IMAGEIN"),
            ("wm_norm", "IMAGEOUT"),
            ("gm", "IMAGEIN", (), True),
            ("gm_norm", "IMAGEOUT", (), True),
            ("csf", "IMAGEIN", (), True),
            ("csf_norm", "IMAGEOUT", (), True),
        ),
        outputs={"wm_norm": "wm_norm.mif"},
        notes={
            "wm": "White matter fibre orientations.",
            "gm_norm": "File to write normalised grey matter to.",
            "csf_norm": "File to write normalised cerebrospinal fluid to.",
        },
        groups=(
            {"id": "grey_matter", "name": "Grey matter", "members": ["gm", "gm_norm"], "all-or-none": True},
            {"id": "fluid", "name": "Cerebrospinal fluid", "members": ["csf", "csf_norm"], "all-or-none": True},
        ),
    ),
    "sh2peaks": Tool(
        "Finds the peaks of fibre orientation distributions.",
        outputs={"output": "peaks.mif"},
        notes={"sh": "The fibre orientation distributions.", "num": "Number of peaks."},
        omit=frozenset({"direction"}),
    ),
    "tckedit": Tool(
        "Selects streamlines, or joins several files of them.",
        outputs={"tracks_out": "tracks_edited.tck"},
        kinds={"include": "FILEIN", "include_ordered": "FILEIN", "exclude": "FILEIN", "mask": "FILEIN"},
        notes={
            "include": "Masks that a streamline must pass.",
            "exclude": "Masks that a streamline must not enter.",
            "mask": "Masks that streamlines are cut at.",
            "number": "Number of streamlines to keep.",
        },
    ),
    "tckstats": Tool(
        "Prints statistics of the lengths of streamlines (mm).",
        notes={
            "output": "The statistics to print, in this order; all of them in a table if not given.",
            "histogram": "File to write a histogram to.",
            "dump": "File to write every length to.",
        },
        printed="statistics",
    ),
    "tcksift2": Tool(
        "Finds a weight for each streamline so that their density fits the fibre orientations.",
        outputs={"out_weights": "weights.txt"},
        notes={"act": "Five-tissue-type image.", "out_mu": "File to write the proportionality coefficient to."},
        omit=frozenset({"output_debug"}),
    ),
    "tck2connectome": Tool(
        "Makes a connectivity matrix from streamlines and a parcellation.",
        outputs={"connectome_out": "connectome.csv"},
        notes={
            "nodes_in": "The parcellation, numbered from 1.",
            "symmetric": "Fill both halves of the matrix.",
            "out_assignments": "File to write the two nodes of each streamline to.",
        },
    ),
}
