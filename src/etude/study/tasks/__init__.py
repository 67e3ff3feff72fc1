"""The training tasks that a comparison can run without a line of the user's own."""
