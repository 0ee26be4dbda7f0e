"""From numbers to a verdict, tensor by tensor, with every excuse that a difference can have."""
