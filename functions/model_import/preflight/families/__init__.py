"""The tensors of each family that Bedrock imports, as Bedrock's transformers names and shapes them.

GPT-OSS is younger than that version and is as its public model code and transformers 5 have it.
"""
