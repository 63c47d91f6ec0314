"""A model in the format of another runtime, written only where it agrees with torch float32."""

from posecli.export_model.exporting import ModelExport, export_model
from posecli.export_model.formats import Format

__all__ = ["Format", "ModelExport", "export_model"]
