"""The command `emfc`: what it reads, prints and leaves in its folders. Nothing below imports this room."""
