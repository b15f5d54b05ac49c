"""Caltech-101's folder names as readable English."""

ODD = {
    "Faces": "face",
    "Faces_easy": "face close-up",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
    "airplanes": "airplane",
    "buddha": "Buddha",
    "car_side": "car from the side",
    "garfield": "Garfield",
    "sea_horse": "seahorse",
    "snoopy": "Snoopy",
    "water_lilly": "water lily",
    "wild_cat": "wildcat",
    "windsor_chair": "Windsor chair",
}


def readable(folder: str) -> str:
    """Return "grand piano" for "grand_piano"."""
    return ODD.get(folder, folder.replace("_", " "))
