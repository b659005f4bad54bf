"""Where pictures go: each form is one file in here."""
