"""Settings that hold wherever pytest starts from: in tests/, in chapters/ or in the root."""


def pytest_configure(config):
    # nbval reads this path relative to the current folder, so it is given whole; without --nbval the option does not exist.
    if hasattr(config.option, "nbval_sanitize_with"):
        config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "nbval_sanitize.cfg")
