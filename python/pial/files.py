"""The interfaces that find files and put them away, by nipype's names; the engine runs them without Python."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from .builtins import Builtin, with_types
from .errors import WrongValue, listing
from .kinds import mismatch
from .literals import expression
from .ports import Entry, FunctionNames


class SelectFiles(Builtin):
    """Finds files by templates: `SelectFiles({"t1w": "{subject}/anat/*_T1w.nii.gz"}, base_directory="/data")`.

    Names in braces are inputs, names of templates are outputs.
    """

    __slots__ = ("_templates", "_fields")

    builtin = "selectfiles"
    settings = {"base_directory": "string", "sort_filelist": "bool", "raise_on_empty": "bool", "force_lists": "any"}
    defaults = {"sort_filelist": True, "raise_on_empty": True, "force_lists": False}

    def __init__(self, templates: Dict[str, str], **inputs: Any) -> None:
        super().__init__()
        if not isinstance(templates, dict) or not templates:
            raise WrongValue("SelectFiles needs `templates`, a dictionary from outputs to patterns")
        self._templates = dict(templates)
        self._fields = tuple(dict.fromkeys(name for text in templates.values() for name in _braces(text)))
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return self._fields

    def output_names(self) -> Sequence[str]:
        return tuple(self._templates)

    def check(self, name: str, value: Any) -> Optional[str]:
        if name == "force_lists" and isinstance(value, (list, tuple)):
            strange = [item for item in value if item not in self._templates]
            return f"True, False or names of templates ({listing(self._templates)})" if strange else None
        return super().check(name, value)

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        made = with_types(inputs, {"base_directory": "directory"})
        made.setdefault("base_directory", expression(os.getcwd()))
        return {"builtin": self.builtin, "inputs": {"templates": {"value": self._templates}, **made}}


class DataGrabber(Builtin):
    """Finds files by `template` and `template_args`: `DataGrabber(infields=["sid"], outfields=["func"])`."""

    __slots__ = ("_infields", "_outfields")

    builtin = "datagrabber"
    settings = {
        "base_directory": "string",
        "raise_on_empty": "bool",
        "drop_blank_outputs": "bool",
        "sort_filelist": "bool",
        "template": "string",
        "template_args": "any",
        "field_template": "any",
    }
    defaults = {"raise_on_empty": True, "drop_blank_outputs": False}

    def __init__(
        self, infields: Optional[Sequence[str]] = None, outfields: Optional[Sequence[str]] = None, **inputs: Any
    ) -> None:
        super().__init__()
        self._infields = tuple(infields or ())
        self._outfields = tuple(outfields or ("outfiles",))
        arguments: Dict[str, List[List[str]]] = {
            field: [list(self._infields)] if self._infields else [] for field in self._outfields
        }
        self.set_all({"template_args": arguments, **inputs})

    def own_inputs(self) -> Sequence[str]:
        return self._infields

    def output_names(self) -> Sequence[str]:
        return tuple(dict.fromkeys([*self._outfields, *self.values.get("template_args", ())]))

    def check(self, name: str, value: Any) -> Optional[str]:
        if name in ("template_args", "field_template") and not isinstance(value, dict):
            return "a dictionary from outputs to what belongs to each"
        return super().check(name, value)

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        made = with_types(inputs, {"base_directory": "directory"})
        made.setdefault("base_directory", expression(os.getcwd()))
        made.setdefault("sort_filelist", True)
        fields = {"infields": list(self._infields), "outfields": list(self.output_names())}
        return {"builtin": self.builtin, "inputs": {**fields, **made}}


class DataSink(Builtin):
    """Puts files away: `datasink.inputs.base_directory`, and any input whose dotted name is a folder.

    A part of the name that starts with `@` is no folder: `anat.@t1w` goes to `anat`.
    """

    __slots__ = ("_infields",)

    builtin = "datasink"
    open_inputs = True
    settings = {
        "base_directory": "string",
        "container": "string",
        "parameterization": "bool",
        "strip_dir": "string",
        "substitutions": "any",
        "regexp_substitutions": "any",
        "mode": "enum[hardlink, copy, symlink]",
        "remove_dest_dir": "bool",
    }
    defaults = {"parameterization": True, "remove_dest_dir": False}
    _REFUSED = ("creds_path", "encrypt_bucket_keys", "bucket", "local_copy")

    def __init__(self, infields: Optional[Sequence[str]] = None, force_run: bool = True, **inputs: Any) -> None:
        super().__init__()
        self._infields = tuple(infields or ())
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return self._infields

    def output_names(self) -> Sequence[str]:
        return ("out_file",)

    def check(self, name: str, value: Any) -> Optional[str]:
        if name in self._REFUSED:
            return "left alone: pial writes to file systems only; copy to S3 in a node behind this one"
        if name in ("substitutions", "regexp_substitutions") and not _are_pairs(value):
            return "a list of pairs of texts, such as [('_subject_', '')]"
        return super().check(name, value)

    def literal(self, name: str, value: Any) -> Any:
        if name.endswith("substitutions") and isinstance(value, tuple) and value and isinstance(value[0], str):
            value = [value]
        return self.plain_literal(name, value)

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        made = with_types(inputs, {"base_directory": "directory"})
        made.setdefault("base_directory", expression(os.getcwd()))
        return super().entry(made, functions)


class JSONFileGrabber(Builtin):
    """Reads a JSON file: an output for each name in it, and `out` for all of it."""

    __slots__ = ("_used",)

    builtin = "json_read"
    open_outputs = True
    settings = {"in_file": "file"}

    def __init__(self, **inputs: Any) -> None:
        super().__init__()
        self._used: Tuple[str, ...] = ()
        self.set_all(inputs)

    def input_names(self) -> Sequence[str]:
        return ("in_file", "defaults")

    def check(self, name: str, value: Any) -> Optional[str]:
        if name == "defaults":
            return "left alone: the engine reads what the file holds; give defaults in a Function node behind this one"
        return super().check(name, value)

    def output_names(self) -> Sequence[str]:
        return (*self._used, "out")

    def has_output(self, name: str) -> bool:
        """Any name may be in the file. What is asked for is what will be read."""
        if name != "out" and name not in self._used:
            self._used += (name,)
        return True

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        made = with_types(inputs, {"in_file": "file"})
        return {"builtin": self.builtin, "inputs": {**made, "fields": list(self._used)} if self._used else made}


class JSONFileSink(Builtin):
    """Writes its inputs, of any name, to a JSON file in the node's directory; `out_file` is the file's name."""

    __slots__ = ("_infields",)

    builtin = "json_write"
    open_inputs = True
    settings = {"out_file": "string", "in_dict": "any"}

    def __init__(self, infields: Union[Sequence[str], None] = None, force_run: bool = True, **inputs: Any) -> None:
        super().__init__()
        self._infields = tuple(infields or ())
        self.set_all(inputs)

    def own_inputs(self) -> Sequence[str]:
        return self._infields

    def output_names(self) -> Sequence[str]:
        return ("out_file",)

    def check(self, name: str, value: Any) -> Optional[str]:
        if name == "out_file" and os.path.dirname(os.fspath(value)):
            return "a file name without folders; connect `out_file` to a DataSink to put the file elsewhere"
        if name == "in_dict" and mismatch("any", value) is None and not isinstance(value, dict):
            return "a dictionary"
        return super().check(name, value)

    def literal(self, name: str, value: Any) -> Any:
        return self.plain_literal(name, value)

    def entry(self, inputs: Dict[str, Any], functions: FunctionNames) -> Entry:
        if isinstance(inputs.get("in_dict"), dict) and "from" in inputs["in_dict"]:
            raise WrongValue(
                "the input 'in_dict' of JSONFileSink cannot be connected; connect its parts by their names"
            )
        known = self.values.get("in_dict", {})
        made = {name: self.plain_literal(name, value) for name, value in known.items()}
        made.update((name, value) for name, value in inputs.items() if name not in ("in_dict", "out_file"))
        return super().entry({"filename": inputs.get("out_file", "datasink.json"), **made}, functions)


def _braces(template: str) -> List[str]:
    import re
    from string import Formatter

    names = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
    found = [re.match(r"\w+", name) for name in names]
    if None in found:
        raise WrongValue(f"the template {template!r} has braces without a name; write {{subject}}")
    return [name.group() for name in found if name is not None]


def _are_pairs(value: Any) -> bool:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        return True
    return isinstance(value, (list, tuple)) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in value
    )
