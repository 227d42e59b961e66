"""The decision between seen and unseen classes."""
