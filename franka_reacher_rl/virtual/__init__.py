"""Virtual time: the loop on a simulated clock."""
