"""Pretrained networks: sound or text in, embeddings out; one module each, all with the same protocol."""
