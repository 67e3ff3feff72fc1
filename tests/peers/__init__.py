"""Other libraries' schedules, run beside ours in the same process and compared at every step."""
