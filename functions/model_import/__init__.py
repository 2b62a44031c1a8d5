"""The domain: what makes a Hugging Face repository a model on Bedrock.

No event shapes and no environment in here: values and clients are passed in.
"""
