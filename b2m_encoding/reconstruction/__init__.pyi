from .embedding_space import decoded_space
from .request import ReconstructionRequest
from .run import reconstruct

__all__ = [
    "ReconstructionRequest",
    "decoded_space",
    "reconstruct",
]
