"""Where pictures come from: every source ends as one uint8 tensor."""
