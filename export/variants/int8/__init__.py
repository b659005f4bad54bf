"""int8 that keeps the picture: NNCF places the quantisers, what it leaves on the table is won back layer by layer."""
