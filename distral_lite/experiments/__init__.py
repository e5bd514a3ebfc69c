"""Chapter 11: the thesis's experiments as frozen configurations, and what runs, stores and judges them.

`python -m distral_lite.experiments list | run NAME... | report | publish FOLDER`; how to add one is told in `catalogue`.
"""

from distral_lite.experiments.experiment import Claim, Experiment, make_tasks

__all__ = ["Claim", "Experiment", "make_tasks"]
