"""Networks that are defined here because torchvision has none like them."""
