"""Extraction without any data: a generator looks for inputs on which thief and owner differ.

After data-free adversarial distillation (Fang et al., 2019): the student learns to give the
teacher's scores on generated inputs, the generator learns to make them differ. The generator sees
the teacher's gradients, which a thief behind an API has to estimate: the stronger attack.
"""

import torch
from torch import Tensor, nn

from experiments.zoo.nets import Shape, new

NOISE, BATCH, STUDENT_STEPS = 64, 64, 4


class _Generator(nn.Module):
    """Noise -> images in 0..1."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.size = shape[1:]
        self.seed = nn.Linear(NOISE, 32 * (shape[1] // 4) * (shape[2] // 4))
        self.body = nn.Sequential(
            nn.BatchNorm2d(32),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(32, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2),
            nn.Conv2d(16, shape[0], 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, noise: Tensor) -> Tensor:
        grid = self.seed(noise).reshape(len(noise), 32, self.size[0] // 4, self.size[1] // 4)
        images: Tensor = self.body(grid)
        return images


def datafree(teacher: nn.Module, net: str, shape: Shape, rounds: int, seed: int = 12) -> nn.Module:
    """A fresh net of the same kind that never saw a natural input; 320 made ones a round."""
    device = next(teacher.parameters()).device
    with torch.no_grad():
        classes = teacher(torch.zeros(1, *shape, device=device)).shape[1]
    student = new(net, shape, classes, seed).to(device).train()
    generator = _Generator(shape).to(device).train()
    learn = torch.optim.AdamW(student.parameters(), 2e-3)
    search = torch.optim.Adam(generator.parameters(), 1e-3)
    source = torch.Generator().manual_seed(seed)
    for _ in range(rounds):
        for _ in range(STUDENT_STEPS):
            with torch.no_grad():
                images = generator(torch.randn(BATCH, NOISE, generator=source).to(device))
                wanted = teacher(images)
            loss = (student(images) - wanted).abs().mean()
            learn.zero_grad()
            loss.backward()
            learn.step()
        images = generator(torch.randn(BATCH, NOISE, generator=source).to(device))
        gap = (student(images) - teacher(images)).abs().mean()
        search.zero_grad()
        (-gap.clamp_min(1e-8).log()).backward()
        search.step()
    return student.eval()
