"""Train the network for any style.

    python -m engine.training.any_style --data TAR --paintings FOLDER --minutes N
        [--resume FILE] [--out FOLDER]

Encoder and judge are the network that ships; only the decoder learns. It starts by least squares, gives
pictures back for a while, then paints. Resumable: learning rates follow the minutes of computing already
spent, which the checkpoint keeps. `engine.training.any_style_judge` measures how well it
paints, by a network that it was not trained with.
"""

import argparse
import copy
import logging
import math
import shutil
import time
from collections import deque
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.device import choose_precision
from engine.named_files import digest_of
from engine.networks import catalogue
from engine.networks import weights as weight_files
from engine.networks.loading import load_network
from engine.objectives.style import Statistics
from engine.stylization.any_style import LEVELS, AnyStyle
from engine.stylization.any_style_file import AnyStyleCard, write_any_style
from engine.training import any_style_losses as losses
from engine.training.any_style_pictures import StyleCrops, read_paintings
from engine.training.any_style_schedule import AnyStyleSchedule
from engine.training.any_style_start import least_squares_start, measure_codes
from engine.training.objective import normalise
from engine.training.pictures import Crops, read_tar
from engine.training.publish import RESOURCES

log = logging.getLogger("any_style")

LICENCE = "trained on photos under CC BY 4.0 (Caltech-101) and on paintings in the public domain"
WEIGHTS = {
    "content": 1.0, "gram": 5.0, "moments": 1.0, "coherence": 0.3, "range": 10.0, "noise": 50.0,
}  # fmt: skip
AVERAGE = 0.999  # decay of the averaged weights, which are what ships
FRESH = 2  # new styles a step
KEPT = 256  # of these, with their statistics for later steps
MIXED = 0.2  # share of styles that are mixtures of two
EVERY = 4  # steps: one gives pictures back in their own style, one compares with a noisy photo
START_STYLES, START_PHOTOS = 128, 128  # of the first: for scales; of the second: for least squares
LEAST = 0.4  # smallest crop of a training photo, of its short side


class Styles:
    """Styles as statistics of the judge's layers: new ones and, mostly, some of the last again."""

    def __init__(self, crops: StyleCrops, judge: nn.Sequential, device: torch.device) -> None:
        self.crops, self.judge, self.device = crops, judge, device
        self._kept: deque[list[Statistics]] = deque(maxlen=KEPT)
        self._side = 0

    @torch.no_grad()
    def draw(self, n: int, side: int) -> list[Statistics]:
        """Return the statistics of `n` styles, layer by layer, of crops of `side` pixels."""
        if side != self._side:  # what a crop shows depends on its size
            self._kept.clear()
            self._side = side
        rng = self.crops.rng
        count = FRESH if len(self._kept) >= 2 * n else n
        fresh = self.of(self.crops.draw(count, side).to(self.device))
        self._kept.extend([Statistics(s.mean[k : k + 1], s.second[k : k + 1]) for s in fresh]
                          for k in range(count))  # fmt: skip
        new = list(self._kept)[-count:]
        chosen = [*new, *rng.sample(list(self._kept), n - count)]
        for k in range(n):
            if rng.random() < MIXED:
                other, share = rng.choice(self._kept), rng.uniform(0.2, 0.8)
                chosen[k] = [
                    Statistics.blend(pair, (share, 1 - share))
                    for pair in zip(chosen[k], other, strict=True)
                ]
        return [
            Statistics(torch.cat([s.mean for s in layer]), torch.cat([s.second for s in layer]))
            for layer in zip(*chosen, strict=True)
        ]

    def of(self, pictures: Tensor) -> list[Statistics]:
        """Return the statistics of pictures (N, 3, H, W), RGB in [0, 1]."""
        return losses.statistics(losses.features(self.judge, normalise(pictures)))


def code_of(statistics: list[Statistics]) -> Tensor:
    """Return the codes (N, CODE) of styles by the statistics of the first four layers."""
    first = statistics[: len(LEVELS)]
    return torch.cat([*(s.mean for s in first),
                      *(s.second.diagonal(dim1=1, dim2=2) for s in first)], 1)  # fmt: skip


class Trainer:
    """Network, judge, pictures, and the state that a checkpoint holds."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Read pictures and judge; start the decoder by least squares or from `options.resume`."""
        self.options = options
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.precision = choose_precision(options.precision, self.device)
        torch.manual_seed(options.seed)
        photos = read_tar(options.data)
        self.paintings = read_paintings(options.paintings, options.without)
        self.photos = digest_of(str(options.data))
        self.weights = weight_files.find(catalogue.card("slim_vgg"), options.weights)
        judge = load_network("slim_vgg", self.weights, self.device).module
        assert isinstance(judge, nn.Sequential)
        self.judge = judge
        self.crops = Crops(photos, options.seed)
        drawn = StyleCrops(list(self.paintings.pictures.values()), photos, options.seed)
        self.styles = Styles(drawn, judge, self.device)
        self.network = AnyStyle().to(self.device)
        known = judge.state_dict()
        own = {name: known[name] for name in self.network.encoder.state_dict()}
        self.network.encoder.load_state_dict(own)
        self.schedule = AnyStyleSchedule(
            options.minutes * 60, peak=options.rate, pictures=options.batch
        )
        self.generator = torch.Generator().manual_seed(options.seed)
        self.step = self.skipped = 0
        state = None
        if options.resume:
            state = torch.load(options.resume, weights_only=True, map_location=self.device)
            self.network.load_state_dict(state["network"])
        else:
            self._start()
        self.network.to(memory_format=torch.channels_last)
        self.learned = [p for p in self.network.parameters() if p.requires_grad]
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.learned, betas=(0.9, 0.99))
        if state is not None:
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.schedule.spent = state["step"], state["spent"]
            for rng in (self.crops.rng, drawn.rng):
                rng.seed(options.seed + self.step)
            self.generator.manual_seed(options.seed + self.step)

    def clock(self) -> float:
        """Return seconds of computing: other programs on the same cores do not shorten the training."""
        if self.device.type == "cpu":
            return time.process_time() / torch.get_num_threads()
        return time.perf_counter()

    def _start(self) -> None:
        began = time.time()
        codes = [code_of(self.styles.of(self.styles.crops.draw(8, 128).to(self.device)))
                 for _ in range(START_STYLES // 8)]  # fmt: skip
        measure_codes(self.network, torch.cat(codes))
        count = START_PHOTOS // 8
        batches = [self.crops.draw(8, 128, LEAST)[0].to(self.device) for _ in range(3 * count // 4)]
        batches += [self.styles.crops.draw(8, 128).to(self.device) for _ in range(count // 4)]
        scores = least_squares_start(self.network, batches)
        row = " ".join(f"{score:.2f}" for score in scores)
        log.info("least squares in %.0f s, R² %s", time.time() - began, row)

    def advance(self) -> dict[str, float]:
        """Do one optimizer step; return the weighted terms of the loss."""
        began, schedule = self.clock(), self.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.learning_rate
        photos = self.crops.draw(schedule.batch, schedule.side, LEAST)[0].to(self.device)
        half = self.precision != torch.float32
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            if schedule.alike or self.step % EVERY == EVERY - 1:
                terms = self._alike(photos)
            else:
                terms = self._painted(photos)
        loss = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.learned, 5.0)
        if not bool(torch.isfinite(length)):  # one such step would undo all before it
            self.optimizer.zero_grad(set_to_none=True)
            self.skipped += 1
        self.optimizer.step()
        decay = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)
        self.step += 1
        schedule.spent += self.clock() - began
        return {name: float(term.detach()) for name, term in terms.items()}

    def _alike(self, photos: Tensor) -> dict[str, Tensor]:
        """Return the losses of giving pictures back in their own style: photos and style pictures."""
        half = len(photos) // 2
        crops = self.styles.crops.draw(half, photos.shape[-1]).to(self.device)
        pictures = torch.cat([photos[half:], crops])
        with torch.no_grad():
            wanted = losses.features(self.judge, normalise(pictures))
            code = code_of(losses.statistics(wanted))
        made = self.network.paint(pictures, code)
        own = losses.features(self.judge, normalise(made))
        return {"identity": losses.identity_loss(made.float(), pictures, own, wanted)}

    def _painted(self, photos: Tensor) -> dict[str, Tensor]:
        """Return the losses of photos painted in styles."""
        wanted = self.styles.draw(len(photos), photos.shape[-1])
        code = code_of(wanted)
        with torch.no_grad():
            # Padded as the judge's, which they are compared with.
            levels = dict(zip(LEVELS, self.network.levels(photos, "zeros"), strict=True))
        made = self.network.decode(list(levels.values()), code)
        own = losses.features(self.judge, normalise(made))
        statistics = losses.statistics(own)
        terms = {
            "content": losses.content_loss(
                own[losses.CONTENT_LAYER], levels[losses.CONTENT_LAYER]),
            "gram": self.schedule.style * losses.gram_loss(statistics, wanted),
            "moments": self.schedule.style * losses.moment_loss(statistics, wanted),
            "coherence": losses.coherence_loss(own, levels, self.generator),
            "range": losses.range_loss(made.float()),
        }  # fmt: skip
        if self.step % EVERY == 1:
            some = max(1, len(photos) // 4)
            noisy = self.network.paint(losses.speckled(photos[:some], self.generator), code[:some])
            terms["noise"] = (noisy - made[:some].detach()).float().square().mean()
        return {name: WEIGHTS[name] * term for name, term in terms.items()}

    def save(self) -> None:
        """Write the checkpoint and the weights as they would ship, each beside and then renamed."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "spent": self.schedule.spent,
        }
        folder: Path = self.options.out
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, folder / "any_style.pt.part")
        (folder / "any_style.pt.part").replace(folder / "any_style.pt")
        card = AnyStyleCard(
            licence=LICENCE,
            judge=f"slim_vgg, SHA-256 {digest_of(str(self.weights))}",
            losses=WEIGHTS,
            paintings=self.paintings.digests,
            kept_out=self.paintings.kept_out,
            photos=self.photos,
            steps=self.step,
            minutes=round(self.schedule.spent / 60, 1),
        )
        write_any_style(self.average, folder / "any_style.safetensors", card)


def train(options: argparse.Namespace) -> None:
    """Train until the minutes are spent, with a checkpoint every few minutes."""
    trainer = Trainer(options)
    schedule = trainer.schedule
    known, unknown = trainer.paintings.pictures, trainer.paintings.kept_out
    log.info("learning from %s; kept out: %s", ", ".join(known), ", ".join(unknown) or "none")
    saved = logged = time.time()
    at, figures = trainer.step, {}  # type: ignore[var-annotated]
    while not schedule.done:
        for name, value in trainer.advance().items():
            if not math.isfinite(value):
                continue
            figures[name] = figures.get(name, value) + 0.05 * (value - figures.get(name, value))
        now = time.time()
        if now - logged > 30:
            log.info(
                "step %d, %.1f of %.0f min, %.2f steps/s, lr %.1e; %s", trainer.step,
                schedule.spent / 60, options.minutes, (trainer.step - at) / (now - logged),
                schedule.learning_rate, ", ".join(f"{n} {v:.3f}" for n, v in figures.items()),
            )  # fmt: skip
            if trainer.skipped:
                log.info("%d steps not taken: no finite gradient", trainer.skipped)
            at, logged = trainer.step, now
        if now - saved > options.every * 60 or schedule.done:
            trainer.save()
            saved = time.time()
    if options.ship and schedule.done:
        weights = options.out / "any_style.safetensors"
        log.info("shipped as %s", shutil.copyfile(weights, RESOURCES / weights.name))


def main() -> None:
    """Parse the options and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="tar of <class>/<picture>.jpg: the photos")
    add("--paintings", type=Path, required=True, help="folder of pictures whose styles are learned")
    add("--without", nargs="*", metavar="NAME", default=None,
        help="paintings that are kept out, by file name without suffix (default: three)")  # fmt: skip
    add("--weights", type=Path, help="of slim_vgg, if not those that ship")
    add("--minutes", type=float, default=150, help="of computing")
    add("--every", type=float, default=5, help="minutes between checkpoints")
    add("--out", type=Path, default=Path("out/training"), help="folder for results")
    add("--ship", action="store_true", help="put the finished network among those that ship")
    add("--resume", type=Path, help="checkpoint to go on from")
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    add("--batch", type=int, default=8, help="pictures a step (default: 8)")
    add("--rate", type=float, default=1e-3, help="Adam's largest step (default: 0.001)")
    add("--seed", type=int, default=0)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
