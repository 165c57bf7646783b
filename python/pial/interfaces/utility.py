"""nipype's place for interfaces that hand values on; they live elsewhere."""

from __future__ import annotations

from ..builtins import IdentityInterface as IdentityInterface
from ..builtins import Merge as Merge
from ..builtins import Rename as Rename
from ..builtins import Select as Select
from ..builtins import Split as Split
from ..function import Function as Function
