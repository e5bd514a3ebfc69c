"""The command line of the programme: `python -m distral_lite.experiments --help`."""

from distral_lite.experiments.command import main

if __name__ == "__main__":
    raise SystemExit(main())
