"""One outside thing a module: each turns a foreign library or the machine into a port."""
