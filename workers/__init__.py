"""What is slow or retried: ARQ jobs, one module per noun."""
