"""The subcommands of `narrawatch`, one a file of its name. `streams.cli` imports the one that is called."""
