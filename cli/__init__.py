"""The command line: the engine without a screen. Torch is imported only when work begins."""
