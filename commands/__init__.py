"""The commands of featx: arguments in, one library call, a drawing of the answer."""
