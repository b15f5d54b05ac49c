"""Where the program keeps its own files on the user's machine (folders are not created here)."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Return the folder for networks, the window's session and intermediate pictures.

    The environment variable PAREIDOLIA_HOME puts it elsewhere.
    """
    home = os.environ.get("PAREIDOLIA_HOME")
    if home:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("pareidolia"))


def log_folder() -> Path:
    """Return the folder of the log file; PAREIDOLIA_HOME puts it elsewhere."""
    if os.environ.get("PAREIDOLIA_HOME"):
        return data_folder() / "logs"
    import platformdirs

    return Path(platformdirs.user_log_dir("pareidolia"))
