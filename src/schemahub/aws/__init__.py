"""Entry points for services of AWS."""
