"""Which colour maps there are, and the few points that each is drawn from; known without NumPy."""

POINTS = {  # two digits of position, then red, green, blue
    "viridis": "00440154 19482475 32414287 57306a8e 841f948c 9721a685 a832b67a ba52c569 cf81d34d "
    "edd0e11c f5e5e419 fdf8e621 fffde725",
    "magma": "00000004 0703030f 1e1a1042 3036106b 3e4e117b 55721f81 72a02f7f 91d2426f a5ec5860 "
    "b3f7705c c2fc8c63 d8feb67c f6fcecae fffcfdbf",
    "inferno": "00000004 09040314 1b190c3e 282f0a5b 34440a68 445d126e 5e87216b 7bb43359 94d74b3f "
    "acef6c23 c2fa9207 c9fc9f07 d5fbb61a e4f7d340 eff2e865 f9f4f88e fffcffa4",
    "plasma": "000d0887 09240691 285901a5 3e7b02a8 4f9410a2 73bf3984 a1e76e5b c4fa9b3d defdc229 "
    "eef9dc24 fcf1f426 fff0f921",
    "cividis": "0000224e 14003070 17013271 1e163770 2c2d416d 52555b6d 8a868379 b5b0a571 d8d5c25e "
    "f2f2da44 fcfee434 fffee838",
    "gray": "00000000 ffffffff",
    # Widely known and best avoided: its brightness goes up and down, which draws false edges.
    "jet": "00000080 1c0000ff 200000ff 5700dcfe 5900e4f8 6016ffe1 a3eeff09 a6f8f500 a8feed00 "
    "e3ff1300 e8e80000 ff800000",
    # Two middle entries, so that the map is symmetric and zero is white and nothing else.
    "signed": "00102c78 2a2f62bd 55a3c1e8 7fffffff 80ffffff aaf0b3a0 d5b53d2b ff680a14",
}
COLOUR_MAPS = tuple(POINTS)
"""The names; `signed` is the diverging one."""
SEQUENTIAL = tuple(name for name in COLOUR_MAPS if name != "signed")
"""The maps for numbers from 0 up."""
