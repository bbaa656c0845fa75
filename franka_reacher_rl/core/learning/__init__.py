"""Networks, losses and the soft actor-critic update."""
