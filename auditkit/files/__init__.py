"""What lies on disk: bundles, evidence, journals, folders of models."""
