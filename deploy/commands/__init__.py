"""The subcommands of `hugmood`, one module each, with `run(arguments, environment) -> exit code`."""
