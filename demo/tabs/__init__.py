"""The page's tabs, one file each: what a visitor sees there, and which button does what."""
