"""The line-up: which of the owner and its twins does a suspect resemble most?"""
