"""What is wrong with weights, in one line."""


class WeightsError(ValueError):
    """A place of weights holds no model that a graph can be built of; the text says what is wrong with it."""
