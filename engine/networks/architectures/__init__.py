"""Networks defined here because torchvision lacks them."""
