"""Policy inference and the transport of its weights."""
