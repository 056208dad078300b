"""``make erasure``: jobs deleted at random, and the database's files searched for what is left of their images."""
