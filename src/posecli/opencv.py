"""OpenCV as posecli uses it: a clear error where it cannot be loaded, a limit on pixels, and no log on stderr.

What the libraries inside OpenCV print by themselves still gets there: libjpeg's warnings about damaged data, for one.
Everything that needs OpenCV writes `from posecli.opencv import cv2`.
"""

from __future__ import annotations

import os

from posecli.errors import MissingDependencyError

# Libraries that opencv-python's windows need and slim servers lack, with the Debian package that has each.
_DEBIAN_PACKAGES = {"libGL": "libgl1", "libgthread": "libglib2.0-0", "libglib": "libglib2.0-0"}


# OpenCV takes its limit from the environment as it is loaded. Its own, 2^30, lets a file of half a megabyte take 7 GB.
MAX_PIXELS_VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"
DEFAULT_MAX_PIXELS = 2**28  # such as 16384 x 16384, which takes 2 GB while it is read


def _explain(error: ImportError) -> MissingDependencyError:
    for library, package in _DEBIAN_PACKAGES.items():
        if library in str(error):
            return MissingDependencyError(
                f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu run: apt-get install {package}; "
                "or use the build without windows: pip uninstall opencv-python; pip install opencv-python-headless"
            )
    return MissingDependencyError(
        f"OpenCV cannot be loaded ({error}); run: pip install --force-reinstall opencv-python"
    )


os.environ.setdefault(MAX_PIXELS_VARIABLE, str(DEFAULT_MAX_PIXELS))
try:
    import cv2
except ImportError as error:
    raise _explain(error) from error

# Bad images are reported by posecli, once and by name. OpenCV 4.9 has the first way to say so, 5.0 the second.
if hasattr(cv2, "setLogLevel"):
    cv2.setLogLevel(0)
else:
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)

__all__ = ["MAX_PIXELS_VARIABLE", "cv2"]
