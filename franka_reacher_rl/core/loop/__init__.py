"""The rules of the graph: environment, actor and learner as pure state machines with time handed in."""
