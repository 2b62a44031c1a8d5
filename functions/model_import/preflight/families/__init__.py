"""The tensors of each family that Bedrock imports, with the names and shapes of its transformers.

GPT-OSS is newer than that version: its tensors follow the public model code and transformers 5.
"""
