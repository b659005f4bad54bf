"""The page's tabs, one file each: their controls and what each of them triggers."""
