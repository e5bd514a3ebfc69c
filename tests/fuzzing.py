"""How many cases the fuzzers try: a few in `make test`, all of them in `make fuzz`."""

import os


def cases(few: int, all_of_them: int) -> int:
    """`all_of_them` under `make fuzz`, which sets DISTRAL_LITE_FUZZ; `few` in the ordinary tests."""
    return all_of_them if os.environ.get("DISTRAL_LITE_FUZZ") else few
