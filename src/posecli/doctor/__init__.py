"""The state of an installation, to paste into a bug report: every question is asked, whatever the others ended in.

Only the standard library and light modules are imported before they are asked for: to say that numpy or torch is
broken, this must itself work without them.
"""

from posecli.doctor.examination import examine
from posecli.doctor.report import Problem, Report

__all__ = ["Problem", "Report", "examine"]
