"""Between ROS and the core: messages, parameters, quality of service, starting and ending a node."""
