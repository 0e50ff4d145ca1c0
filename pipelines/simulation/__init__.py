"""A company in which customers are known to react to what is done: how policies are compared."""
