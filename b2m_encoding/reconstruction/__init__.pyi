from .embedding_space import decoded_space
from .listening_test import analyse_answers, write_listening_test
from .request import ReconstructionRequest
from .run import reconstruct

__all__ = [
    "ReconstructionRequest",
    "analyse_answers",
    "decoded_space",
    "reconstruct",
    "write_listening_test",
]
