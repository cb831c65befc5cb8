"""Writing files whole, locking them, and checking what files of strangers claim. Nothing here knows what the files mean."""
