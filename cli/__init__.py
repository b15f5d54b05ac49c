"""The command line: the engine without a screen. No torch is imported before work begins."""
