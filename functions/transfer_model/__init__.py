"""The Fargate program that moves one slice of a model's files from the Hub to S3."""
