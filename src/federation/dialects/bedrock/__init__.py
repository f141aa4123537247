"""The wire language of Amazon Bedrock's Converse and ConverseStream.

Reference: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""
