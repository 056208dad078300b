"""What every expression may be: an abstract interpretation of the governed code, across files."""
