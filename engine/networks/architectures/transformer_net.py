"""Feed-forward style networks: one pass turns a photo into one painting's style.

Johnson, Alahi, Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer", with instance norm
(Ulyanov et al. 2016) and nearest-neighbour upsampling instead of transposed convolutions (Odena et
al. 2016). Tensors are named as in the widespread PyTorch trainings of it, so their files load.
"""

from torch import Tensor, nn
from torch.nn import functional as F


class Convolution(nn.Module):
    """Upsampling by `upsample`, reflection padding, then a convolution."""

    def __init__(
        self, inputs: int, outputs: int, size: int, stride: int = 1, upsample: int = 1
    ) -> None:
        """Keep height and width at stride 1."""
        super().__init__()
        self.upsample = upsample
        self.reflection_pad = nn.ReflectionPad2d(size // 2)
        self.conv2d = nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H * upsample / stride, W * upsample / stride)."""
        if self.upsample > 1:
            x = F.interpolate(x, scale_factor=float(self.upsample), mode="nearest")
        result: Tensor = self.conv2d(self.reflection_pad(x))
        return result


class Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, channels: int) -> None:
        """Two 3x3 convolutions of `channels`."""
        super().__init__()
        self.conv1 = Convolution(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = Convolution(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        result: Tensor = x + self.in2(self.conv2(self.relu(self.in1(self.conv1(x)))))
        return result


class TransformerNet(nn.Module):
    """RGB 0...255 in, stylized RGB about 0...255 out (not clamped)."""

    def __init__(self) -> None:
        """Build it untrained."""
        super().__init__()
        self.conv1 = Convolution(3, 32, 9)
        self.in1 = nn.InstanceNorm2d(32, affine=True)
        self.conv2 = Convolution(32, 64, 3, stride=2)
        self.in2 = nn.InstanceNorm2d(64, affine=True)
        self.conv3 = Convolution(64, 128, 3, stride=2)
        self.in3 = nn.InstanceNorm2d(128, affine=True)
        self.res1 = Residual(128)
        self.res2 = Residual(128)
        self.res3 = Residual(128)
        self.res4 = Residual(128)
        self.res5 = Residual(128)
        self.deconv1 = Convolution(128, 64, 3, upsample=2)
        self.in4 = nn.InstanceNorm2d(64, affine=True)
        self.deconv2 = Convolution(64, 32, 3, upsample=2)
        self.in5 = nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = Convolution(32, 3, 9)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, H, W); H and W rounded up to multiples of 4."""
        y = self.relu(self.in1(self.conv1(x)))
        y = self.relu(self.in2(self.conv2(y)))
        y = self.relu(self.in3(self.conv3(y)))
        for block in (self.res1, self.res2, self.res3, self.res4, self.res5):
            y = block(y)
        y = self.relu(self.in4(self.deconv1(y)))
        y = self.relu(self.in5(self.deconv2(y)))
        result: Tensor = self.deconv3(y)
        return result
