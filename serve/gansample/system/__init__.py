"""Files, signals and folders of the operating system."""
