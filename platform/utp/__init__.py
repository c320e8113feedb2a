"""Unified Training Platform: trains Hugging Face vision models on a team's own GPU machines."""
