"""What belongs to pipelines: their providers, schedules and templates."""
