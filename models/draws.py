"""Draws that stay: a customer's number and a salt give the same toss on every machine and day."""

import hashlib

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


def mix(x: Hashes) -> Hashes:
    """Each number scattered over all 64 bits (SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed


def salted(keys: Keys, salt: str) -> Hashes:
    """A number for each key that another salt would make another."""
    of_salt = np.frombuffer(hashlib.sha256(salt.encode()).digest()[:8], np.uint64)[0]
    return mix(mix(keys.astype(np.int64).view(np.uint64)) ^ of_salt)


def toss(keys: Keys, salt: str) -> Floats:
    """A number in [0, 1) for each key, even and independent between keys and between salts."""
    return (salted(keys, salt) >> np.uint64(11)).astype(np.float64) * 2.0**-53
