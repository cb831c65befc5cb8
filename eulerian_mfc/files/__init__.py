"""Atomic writing of files, locks, and checks of untrusted files. This room does not know what the files mean."""
