"""Layers with one slip in the backward each, as people have made them."""

import torch
from torch import nn

FORGOTTEN = {}


def slip(name, reference, *shapes, **options):
    """Register a Function under a name, with what it is compared with and given."""

    def register(function):
        FORGOTTEN[name] = function, reference, shapes, options
        return function

    return register


def group_norm(x, w, b):
    return nn.functional.group_norm(x, 2, w, b)


class _GroupNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        n, c, s = x.shape
        groups = x.reshape(n, 2, -1)
        mean = groups.mean(-1, keepdim=True)
        r = (groups.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt()
        x_hat = ((groups - mean) * r).reshape(n, c, s)
        ctx.save_for_backward(x_hat, w, r)
        return x_hat * w[:, None] + b[:, None]


@slip("group norm: weight without x_hat", group_norm, (3, 4, 5), (4,), (4,))
class GroupNorm(_GroupNorm):
    @staticmethod
    def backward(ctx, g):
        x_hat, w, r = ctx.saved_tensors
        n, c, s = g.shape
        d = (g * w[:, None]).reshape(n, 2, -1)
        h = x_hat.reshape(n, 2, -1)
        grad_x = r * (d - d.mean(-1, keepdim=True) - h * (d * h).mean(-1, keepdim=True))
        return grad_x.reshape(n, c, s), g.sum((0, 2)), g.sum((0, 2))


def batch_norm(x, w, b):
    return nn.functional.batch_norm(x, None, None, w, b, training=True)


@slip("batch norm: weight without g", batch_norm, (7, 4), (4,), (4,))
class BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, b):
        r = (x.var(0, correction=0) + 1e-5).rsqrt()
        x_hat = (x - x.mean(0)) * r
        ctx.save_for_backward(x, x_hat, w, r)
        return x_hat * w + b

    @staticmethod
    def backward(ctx, g):
        _, x_hat, w, r = ctx.saved_tensors
        d = g * w
        grad_x = r * (d - d.mean(0) - x_hat * (d * x_hat).mean(0))
        return grad_x, x_hat.sum(0), g.sum(0)


def layer_norm(x, w):
    return nn.functional.layer_norm(x, x.shape[-1:], w)


@slip("layer norm: variance term scaled", layer_norm, (7, 4), (4,))
class LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        r = (x.var(-1, correction=0, keepdim=True) + 1e-5).rsqrt()
        x_hat = (x - x.mean(-1, keepdim=True)) * r
        ctx.save_for_backward(x_hat, w, r)
        return x_hat * w

    @staticmethod
    def backward(ctx, g):
        x_hat, w, r = ctx.saved_tensors
        d = g * w
        along = (d * x_hat).mean(-1, keepdim=True)
        return r * (d - d.mean(-1, keepdim=True) - 2 * x_hat * along), (g * x_hat).sum(0)


@slip("loss: N times N", nn.functional.mse_loss, (7, 4), (7, 4))
class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, y):
        ctx.save_for_backward(a, y)
        return ((a - y) ** 2).mean()

    @staticmethod
    def backward(ctx, g):
        a, y = ctx.saved_tensors
        return g * 2 * (a - y) * a.numel(), -g * 2 * (a - y) * a.numel()


class DropoutFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        ctx.mask = torch.nn.functional.dropout(torch.ones_like(x), p) > 0
        return torch.where(ctx.mask, x / (1 - p), 0)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.mask / (1 + ctx.p), None


class Dropout(nn.Dropout):
    def forward(self, x):
        return DropoutFunction.apply(x, self.p)
