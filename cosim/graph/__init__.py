"""What a chip shall compute: networks in numbers, before anything is mapped."""

from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer, NetworkError

__all__ = ["Activation", "FeedForwardNetwork", "Layer", "NetworkError"]
