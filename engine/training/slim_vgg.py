"""Train the network that ships.

    python -m engine.training.slim_vgg --data TAR --teacher WEIGHTS --minutes N
        [--start WEIGHTS | --resume CHECKPOINT]

A regression onto half of VGG-19's own channels (Hinton et al. 2015's distillation at every layer),
started by least squares, then a phase with cross-entropy on adversarial pictures. Resumable:
learning rates follow the minutes already spent, which the checkpoint keeps. Weights that an earlier
training left can be trained on, with learning rates from the beginning.
"""

import argparse
import copy
import json
import logging
import random
import time
from collections import deque
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from engine.device import choose_precision
from engine.networks.architectures.slim_vgg import RELU_NAMES, slim_vgg
from engine.training.objective import (
    adversarial,
    distillation,
    features,
    normalise,
    relative_errors,
)
from engine.training.pictures import Crops, PictureSet, centre_crop, read_tar, to_batch
from engine.training.schedule import Schedule
from engine.training.start import least_squares_start, patch_moments
from engine.training.teacher import Chosen, Teacher, choose_channels, recognised_channels
from engine.training.whitened_adam import WhitenedAdam, whitening

log = logging.getLogger("slim_vgg")

BATCH = 48
FRESH = 16  # new crops per step; the rest are recent ones again, which spares the teacher's passes
REPLAY = 48  # batches of FRESH crops that are kept with their targets
AVERAGE = 0.999  # decay of the averaged weights, which are what ships
LEAST_ALIKE = (
    0.7  # mean correlation, below which weights were not trained on this teacher's channels
)
DEEPEST_ADVERSARIAL = RELU_NAMES.index("relu5_1") + 1


class Trainer:
    """Student, teacher, crops and the state that a checkpoint holds."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Read the pictures and the teacher; start the student afresh or from `options.resume`."""
        self.options = options
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(options.seed)
        pictures = read_tar(options.data)
        self.train, self.held = pictures.split(0.1, options.seed)
        self.crops = Crops(self.train, options.seed)
        self.dtype = choose_precision("auto", self.device)
        self.teacher = Teacher(options.teacher, self.dtype).to(self.device)
        self.student = slim_vgg(len(pictures.classes)).to(self.device)
        self.student.to(memory_format=torch.channels_last)
        self.schedule = Schedule(options.minutes * 60)
        self.replay: deque[tuple[Tensor, Tensor, list[Tensor]]] = deque(maxlen=REPLAY)
        self.rng = random.Random(options.seed)
        self.step = 0
        if options.resume:
            state = torch.load(options.resume, weights_only=True, map_location=self.device)
            self.chosen = Chosen(**state["chosen"])
            self.transforms = state["transforms"]
            self.student.load_state_dict(state["student"])
        elif options.start:
            self._take(options.start)
        else:
            self._start()
        self.average = copy.deepcopy(self.student).eval().requires_grad_(False)
        modules = list(self.student.children())
        head = modules[-1]
        assert isinstance(head, nn.Linear)
        self.optimizer = WhitenedAdam(
            [m for m in modules if isinstance(m, nn.Conv2d)], self.transforms, head
        )
        if options.resume:
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.schedule.spent = state["step"], state["spent"]
            self.crops.rng.seed(options.seed + self.step)

    def clock(self) -> float:
        """Return seconds of computing: other programs on the same cores do not shorten the training."""
        if self.device.type == "cpu":
            return time.process_time() / torch.get_num_threads()
        return time.perf_counter()

    def _start(self) -> None:
        began = time.time()
        batches = [self.crops.draw(40, 112)[0].to(self.device) for _ in range(10)]
        self.chosen = choose_channels(self.teacher, batches)
        pairs = [(rgb, normalise(rgb)) for rgb in batches[:6]]
        scores, moments = least_squares_start(self.student, self.teacher, self.chosen, pairs)
        log.info("least squares in %.0f s, R² %s", time.time() - began, _row(scores))
        self.transforms = [whitening(m, dtype=self.dtype) for m in moments]

    def _take(self, weights: Path) -> None:
        """Go on from an earlier training's weights; which channels they mean is recognised."""
        self.student.load_state_dict(
            {name: value.float() for name, value in load_file(weights).items()}
        )
        batches = [self.crops.draw(40, 112)[0].to(self.device) for _ in range(6)]
        pairs = [(rgb, normalise(rgb)) for rgb in batches]
        self.chosen, alike = recognised_channels(self.student, self.teacher, pairs)
        if min(alike[:4]) < LEAST_ALIKE:
            raise ValueError(
                f"{weights} was not trained on channels of this teacher (its first layers correlate "
                f"by {_row(alike[:4])} with theirs); train from the beginning"
            )
        moments = patch_moments(self.student, [normalised for _, normalised in pairs])
        self.transforms = [whitening(m, dtype=self.dtype) for m in moments]
        self.average = self.student
        accuracy, scores = self.validate()
        log.info("from %s: validation top-1 %.3f, correlation %s, R² %s", weights.name, accuracy,
                 _row(alike), _row(scores))  # fmt: skip

    def autocast(self) -> torch.autocast:
        """Return the precision of the student's passes: bf16 where that is faster."""
        return torch.autocast(self.device.type, torch.bfloat16, self.dtype is torch.bfloat16)

    def batch(self, side: int) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return normalised pictures, labels and targets: FRESH new crops and recent ones."""
        rgb, labels = self.crops.draw(FRESH, side)
        rgb = rgb.to(self.device)
        with torch.no_grad():
            targets = self.chosen.of(self.teacher(rgb))
        fresh = (normalise(rgb), labels.to(self.device), targets)
        older = [b for b in self.replay if b[0].shape[-1] == side]
        parts = [fresh, *self.rng.sample(older, min(BATCH // FRESH - 1, len(older)))]
        self.replay.append(fresh)
        x = torch.cat([p[0] for p in parts])
        return (
            x.contiguous(memory_format=torch.channels_last),
            torch.cat([p[1] for p in parts]),
            [torch.cat(layer) for layer in zip(*(p[2] for p in parts), strict=True)],
        )

    def advance(self) -> dict[str, float]:
        """Do one optimizer step; return the figures for the log."""
        began = self.clock()
        x, labels, targets = self.batch(self.schedule.side)
        with self.autocast():
            own, logits = features(self.student, x)
            if self.schedule.adversarial:
                own, targets = own[:DEEPEST_ADVERSARIAL], targets[:DEEPEST_ADVERSARIAL]
                loss = 2 * distillation(own, targets, self.chosen)
                hard = adversarial(self._frozen(), x, labels, steps=2, length=2.0, radius=3.0)
                crossed = F.cross_entropy(self.student(hard).float(), labels, label_smoothing=0.05)
                clean = F.cross_entropy(logits.float(), labels, label_smoothing=0.05)
                loss = loss + 0.5 * crossed + 0.1 * clean
            else:
                loss = 4 * distillation(own, targets, self.chosen)
                crossed = F.cross_entropy(logits.float(), labels, label_smoothing=0.1)
                loss = loss + 0.15 * crossed
        self.student.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimizer.step(self.schedule.learning_rate)
        decay = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.student.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        self.step += 1
        self.schedule.spent += self.clock() - began
        correct = (logits.argmax(1) == labels).float().mean()
        return {
            "loss": float(loss.detach()),
            "cross": float(crossed.detach()),
            "top1": float(correct),
        }

    def _frozen(self) -> nn.Sequential:
        """Return a view of the student whose weights take no gradient (the attack needs none)."""
        frozen = slim_vgg_like(self.student)
        frozen.load_state_dict(
            {k: v.detach() for k, v in self.student.state_dict().items()}, assign=True
        )
        return frozen.requires_grad_(False)

    @torch.no_grad()
    def validate(self) -> tuple[float, list[float]]:
        """Return top-1 at 128 px and R² per layer of the averaged weights on the held-out tenth."""
        correct, sums, batches = 0, [0.0] * len(RELU_NAMES), 0
        for begin in range(0, len(self.held.pictures), 32):
            part = slice(begin, begin + 32)
            rgb = to_batch([centre_crop(p, 128) for p in self.held.pictures[part]])
            labels = torch.tensor(self.held.labels[part])
            with self.autocast():
                own, logits = features(self.average, normalise(rgb.to(self.device)))
                correct += int((logits.argmax(1).cpu() == labels).sum())
                if begin % 128 == 0:
                    targets = self.chosen.of(self.teacher(rgb.to(self.device)))
                    errors = relative_errors(own, targets, self.chosen)
                    sums = [s + float(e) for s, e in zip(sums, errors, strict=True)]
                    batches += 1
        return correct / len(self.held.pictures), [1 - s / batches for s in sums]

    def save(self) -> None:
        """Write the checkpoint and the weights as they would ship, each beside and then renamed."""
        state = {
            "student": self.student.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "chosen": vars(self.chosen),
            "transforms": self.transforms,
            "step": self.step,
            "spent": self.schedule.spent,
        }
        folder: Path = self.options.out
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, folder / "checkpoint.pt.part")
        (folder / "checkpoint.pt.part").replace(folder / "checkpoint.pt")
        export(self.average, self.train, folder / "slim_vgg.safetensors")


def slim_vgg_like(student: nn.Sequential) -> nn.Sequential:
    """Return an empty network of the student's shape, without memory for weights of its own."""
    with torch.device("meta"):
        return slim_vgg(student.get_parameter("classifier.weight").shape[0])


def export(network: nn.Sequential, pictures: PictureSet, path: Path) -> None:
    """Write fp16 weights with the class names; the classifier centred over classes.

    Softmax does not see a constant added to all logits. With the mean over classes taken out, a
    logit says how much *more* the picture is of its class than of the others, so ascending it
    gives what people expect also where all logits fall together.
    """
    state = {k: v.detach().float().cpu().clone() for k, v in network.state_dict().items()}
    for name in ("classifier.weight", "classifier.bias"):
        state[name] -= state[name].mean(0, keepdim=True)
    half = {k: v.half().contiguous() for k, v in state.items()}
    beside = path.with_name(path.name + ".part")
    save_file(half, beside, metadata={"classes": json.dumps(pictures.classes)})
    beside.replace(path)


def _row(values: list[float]) -> str:
    return " ".join(f"{v:.2f}" for v in values)


def train(options: argparse.Namespace) -> None:
    """Train until the minutes are spent, with a checkpoint and a validation every few minutes."""
    trainer = Trainer(options)
    schedule = trainer.schedule
    saved = logged = time.time()
    pictures, figures = 0, {"loss": 0.0, "cross": 0.0, "top1": 0.0}
    while not schedule.done:
        for key, value in trainer.advance().items():
            figures[key] += (0.05 if trainer.step > 1 else 1.0) * (value - figures[key])
        pictures += BATCH
        now = time.time()
        if now - logged > 30:
            log.info(
                "step %d, %.1f of %.0f min, lr %.1e, %.1f pictures/s, loss %.3f, "
                "cross-entropy %.3f, top-1 %.3f",
                trainer.step, schedule.spent / 60, options.minutes, schedule.learning_rate,
                pictures / (now - logged), *figures.values(),
            )  # fmt: skip
            pictures, logged = 0, now
        if now - saved > options.every * 60 or schedule.done:
            trainer.save()
            accuracy, scores = trainer.validate()
            log.info("validation top-1 %.3f, R² %s", accuracy, _row(scores))
            saved = time.time()


def main() -> None:
    """Parse the options and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="tar of <class>/<picture>.jpg")
    parser.add_argument("--teacher", type=Path, required=True, help="VGG-19 features, safetensors")
    parser.add_argument("--minutes", type=float, default=240, help="training time, both phases")
    parser.add_argument("--every", type=float, default=5, help="minutes between checkpoints")
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="folder for results")
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--resume", type=Path, help="checkpoint to go on from")
    begin.add_argument("--start", type=Path, help="weights of an earlier training to begin with")
    parser.add_argument("--seed", type=int, default=0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
