"""Vectors laid out in the plane by scikit-learn, here or in a process of its own.

Imports no PyTorch, so that such a process begins at once.
"""

import multiprocessing
import signal
from collections.abc import Generator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import numpy.typing as npt

from engine.errors import BadInput, OutOfMemory

Floats = npt.NDArray[np.float32]
Method = Literal["tsne", "pca"]
Layout = tuple[Floats, Floats, float]
"""Positions (N, 2), explained variance by component, perplexity: what `embed` returns."""
COMPONENTS = 50
"""How many principal components t-SNE gets."""
POLL = 0.05
"""Seconds between two checks whether the layout is still wanted."""


def embed(
    vectors: Floats, method: Method = "tsne", perplexity: float = 30.0, seed: int = 0
) -> Layout:
    """Lay vectors (N, D) out in the plane.

    Returns:
        Positions (N, 2), the share of variance that each principal component explains, and the
        perplexity that t-SNE took, at most a third of the number of pictures (0 for PCA).

    Raises:
        BadInput: there are fewer than 3 vectors, all are the same, or perplexity is below 1.
    """
    if len(vectors) < 3:
        raise BadInput(f"a map needs at least 3 pictures that can be read, not {len(vectors)}")
    if perplexity < 1:
        raise BadInput(f"perplexity is {perplexity:g}; it must be 1 or more")
    if not np.ptp(vectors, axis=0).any():
        raise BadInput("all pictures are the same to the network; there is nothing to lay out")
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]

    components = min(COMPONENTS, *vectors.shape, len(vectors) - 1)
    pca = PCA(max(components, 2), svd_solver="full")
    reduced = pca.fit_transform(vectors.astype(np.float64))
    explained = pca.explained_variance_ratio_.astype(np.float32)
    if method == "pca":
        return reduced[:, :2].astype(np.float32), explained, 0.0
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    # Beyond a third of the pictures, everybody is a neighbour of everybody.
    taken = max(1.0, min(perplexity, (len(vectors) - 1) / 3))
    tsne = TSNE(2, perplexity=taken, init="pca", learning_rate="auto", random_state=seed)
    return tsne.fit_transform(reduced).astype(np.float32), explained, taken


def embed_apart(
    vectors: Floats,
    method: Method = "tsne",
    perplexity: float = 30.0,
    seed: int = 0,
) -> Generator[None, None, Layout]:
    """As `embed`, in a process of its own, which ends if this is closed on the way.

    t-SNE cannot be interrupted from within, and a decomposition keeps Python's lock, which would
    freeze a window.

    Raises:
        BadInput: as `embed`.
        OutOfMemory: the process ended without an answer.
    """
    context = multiprocessing.get_context("spawn")  # forking a program with threads may hang it
    # In a file: given a pipe, starting would wait for a process that ended before reading from it.
    with TemporaryDirectory(prefix="pareidolia-") as folder:
        file = Path(folder) / "vectors.npy"
        np.save(file, vectors)
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_answer, args=(there, str(file), method, perplexity, seed), daemon=True
        )
        process.start()
        there.close()
        try:
            while not here.poll(POLL):
                yield None
            answer: Layout | Exception = here.recv()
        except EOFError:
            raise OutOfMemory(
                f"laying {len(vectors)} pictures out was stopped from outside, probably for lack of "
                "memory: choose a smaller folder"
            ) from None
        finally:
            process.kill()
            process.join()
            process.close()
            here.close()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answer(pipe: Connection, file: str, method: Method, perplexity: float, seed: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the program
    answer: Layout | Exception
    try:
        answer = embed(np.load(file), method, perplexity, seed)
    except Exception as error:  # all of it is raised in the asking process
        answer = error
    pipe.send(answer)
    pipe.close()
