"""The command `emfc`: its options, its output, and the files in its folders. No other package imports this one."""
