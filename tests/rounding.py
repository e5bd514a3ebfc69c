"""How far apart float32 may leave two programs of one law, after many updates."""

import numpy as np
import torch

EPSILON = torch.finfo(torch.float32).eps  # 2^-23, the spacing of float32 at 1
ROUNDINGS = 4  # that one update may add: forward, backward, optimiser step, parameter


def assert_trained_alike(found, wanted, updates):
    """Parameters that two programs trained by one law are the same but for rounding.

    A gradient step rounds in its forward and its backward pass, in the optimiser and when
    it is added to the parameter, each time by at most one spacing of float32 at the
    largest number that takes part. At the small rates of the tests a step carries an
    earlier difference on and does not magnify it, so that the differences add up:
    updates x ROUNDINGS x EPSILON, times the largest number where that is above 1.
    """
    found, wanted = (np.asarray(x, dtype=np.float64) for x in (found, wanted))
    allowed = updates * ROUNDINGS * EPSILON * max(1.0, np.abs(wanted).max())
    np.testing.assert_allclose(found, wanted, rtol=0, atol=allowed)
