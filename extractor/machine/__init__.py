"""What this machine is: cores, limits, accelerators, compiled parts, featx' folders."""
