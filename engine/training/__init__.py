"""How the network that ships inside (`slim_vgg`) was made, runnable again."""
