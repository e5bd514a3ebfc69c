"""`python -m distral_lite.checks source 9.2`: what the mistakes of an exercise edit."""

import sys

from distral_lite.checks import registered
from distral_lite.checks.mutants import source_of

if sys.argv[1:2] == ["source"] and len(sys.argv) == 3:
    for exercise in registered():
        if exercise.name == sys.argv[2]:
            print(source_of(exercise.reference))
else:
    sys.exit("usage: python -m distral_lite.checks source NAME")
