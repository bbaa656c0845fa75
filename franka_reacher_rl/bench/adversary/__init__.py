"""The adversary of `bench safety`: its requests, its arms and its search."""
