"""nipype's place for interfaces that find files and put them away; they live elsewhere."""

from __future__ import annotations

from ..files import DataGrabber as DataGrabber
from ..files import DataSink as DataSink
from ..files import JSONFileGrabber as JSONFileGrabber
from ..files import JSONFileSink as JSONFileSink
from ..files import SelectFiles as SelectFiles
